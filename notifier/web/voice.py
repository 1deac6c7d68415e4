"""``POST /twilio/voice/outbound``, ``/inbound`` and ``/process``: return the assistant's words on a call as TwiML."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, BackgroundTasks, Response
from twilio.twiml.voice_response import Gather, Start, VoiceResponse

from notifier.core.settings import settings
from notifier.deliveries import provider_events
from notifier.deliveries.provider_events import Event
from notifier.messages.wording import one_line
from notifier.voice import responders, session
from notifier.voice.responders import Reply, Turn
from notifier.voice.session import Call
from notifier.web.background import apply_events
from notifier.web.signatures import TwilioForm
from notifier.web.twilio_status import DeliveryId, delivery, word

router = APIRouter(prefix="/twilio/voice")

NOT_AVAILABLE = "We are sorry, nobody is available to take your call. Please try again later. Goodbye."
OPTED_OUT = "I am sorry to have disturbed you. We will not call you again. Goodbye."
OUT_OF_TIME = "I am afraid our time is up. Somebody will get back to you. Goodbye."
RECORDED = "This call is recorded."
#: The number of seconds to wait for the beep after Twilio has recognized an answering machine.
SECONDS_UNTIL_BEEP = 8
#: The maximum number of turns in a call, for any responder.
MAX_TURNS = 40
#: The maximum number of characters that the assistant says in one turn. Twilio allows 4,096.
MAX_WORDS = 3_000


@router.post("/outbound")
def outbound(form: TwilioForm, background: BackgroundTasks, delivery_id: DeliveryId = "") -> Response:
    """Answer when somebody picks up an outbound call.

    Greets a person, or leaves a voicemail after an answering machine's beep.
    """
    sid, answered_by = word(form, "CallSid"), form.get("AnsweredBy", "")
    # The request from Twilio proves that the call was made.
    if sid and provider_events.store(
        "twilio", [Event("in-progress", f"{sid}:in-progress", delivery(delivery_id), sid)]
    ):
        background.add_task(apply_events)
    call = session.find(delivery(delivery_id), sid)
    if call is None or answered_by == "fax":
        return _goodbye()
    if answered_by.startswith("machine"):
        return _leave_message(call, has_beeped=answered_by != "machine_start")
    if sid and answered_by == "human":
        session.human_answered(sid, call.delivery_id)
    return _greet(call)


@router.post("/inbound")
def inbound(form: TwilioForm) -> Response:
    """Answer an inbound call with the subscriber's script, if the subscriber has enough tokens.

    A caller who is suppressed or has reached a limit hears a busy signal, for which Twilio charges nothing.
    """
    sid = word(form, "CallSid")
    try:
        call = session.open_inbound(sid, word(form, "From"), word(form, "To")) if sid else None
    except session.CallRefused:
        response = VoiceResponse()
        response.reject(reason="busy")
        return _twiml(response)
    return _goodbye(NOT_AVAILABLE) if call is None or not call.script.greeting else _greet(call)


@router.post("/process")
def process(form: TwilioForm, delivery_id: DeliveryId = "", turn: str = "1") -> Response:
    """Answer with the responder's reply to the person's words or silence."""
    sid, said = word(form, "CallSid"), form.get("SpeechResult", "").strip()
    call = session.find(delivery(delivery_id), sid)
    number = int(turn) if turn.isascii() and turn.isdigit() and len(turn) < 4 else MAX_TURNS
    if call is None:
        return _goodbye()
    if session.wants_no_calls(said):
        session.suppress_calls(word(form, "From" if call.is_inbound else "To"))
        return _goodbye(OPTED_OUT)
    if (call.is_inbound and call.is_over_limit) or number >= MAX_TURNS:
        return _goodbye(OUT_OF_TIME)
    reply = responders.reply(Turn(sid, number, said, call.script, call.is_inbound))
    return _goodbye(reply.words) if reply.hangs_up else _listen(VoiceResponse(), call, reply, number + 1)


def _greet(call: Call) -> Response:
    response = VoiceResponse()
    if settings.call_recording == "announced":
        # Florida law requires that all parties know about the recording before it starts (section 934.03).
        response.say(RECORDED)
        start = Start()
        start.recording(recording_status_callback=_address("recording", call))
        response.append(start)
    return _listen(response, call, Reply(call.script.greeting), 1)


def _listen(response: VoiceResponse, call: Call, reply: Reply, turn: int) -> Response:
    """Say the reply and listen to the person. Twilio reports silence as an empty result."""
    gather = Gather(
        input="speech", action=_address("process", call, turn=turn), method="POST", speech_timeout="auto",
        action_on_empty_result=True,
    )  # fmt: skip
    _say(gather, reply.words)
    response.append(gather)
    return _twiml(response)


def _leave_message(call: Call, *, has_beeped: bool) -> Response:
    response = VoiceResponse()
    if call.script.voicemail:
        if not has_beeped:
            response.pause(length=SECONDS_UNTIL_BEEP)
        _say(response, call.script.voicemail)
    response.hangup()
    return _twiml(response)


def _goodbye(words: str = "") -> Response:
    response = VoiceResponse()
    if words:
        _say(response, words)
    response.hangup()
    return _twiml(response)


def _say(verb: VoiceResponse | Gather, words: str) -> None:
    verb.say(one_line(words, MAX_WORDS))


def _address(path: str, call: Call, **parameters: int) -> str:
    query = urlencode({"delivery_id": call.delivery_id, **parameters})
    return f"{settings.api_url.rstrip('/')}/twilio/voice/{path}?{query}"


def _twiml(response: VoiceResponse) -> Response:
    return Response(str(response), media_type="text/xml")
