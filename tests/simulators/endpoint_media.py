"""Pictures and sound at the simulated endpoint: strict about every form and field, with answers that are real files.

Bodies are read with the standard library's own MIME parser, and checked with the parameter types of the `openai` SDK.
The models are of several kinds: `painter` keeps OpenAI's present rules (no `response_format`), `easel` is one of
elsewhere that answers by address, `listener` writes JSON only, `whisperer` writes subtitles too, `speaker` speaks,
and `crier` does so in chat.
"""

from __future__ import annotations

import base64
import io
import json
import re
import wave
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, get_type_hints

from openai.types import ImagesResponse
from openai.types.audio import Transcription, TranscriptionVerbose
from openai.types.audio.speech_create_params import SpeechCreateParams
from openai.types.audio.transcription_create_params import TranscriptionCreateParamsBase
from openai.types.audio.translation_create_params import TranslationCreateParams
from openai.types.image_edit_completed_event import ImageEditCompletedEvent
from openai.types.image_edit_params import ImageEditParamsBase
from openai.types.image_edit_partial_image_event import ImageEditPartialImageEvent
from openai.types.image_gen_completed_event import ImageGenCompletedEvent
from openai.types.image_gen_partial_image_event import ImageGenPartialImageEvent
from openai.types.image_generate_params import ImageGenerateParamsBase
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from tests.simulators.strictness import Refusal

LARGEST_SOUND = 26_214_400
LARGEST_PICTURE = 50 * 1024 * 1024
ENDINGS = {"flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm"}
MODELS: Mapping[str, tuple[str, ...]] = {
    "images": ("painter", "easel"),
    "hearing": ("listener", "whisperer"),
    "speech": ("speaker",),
    "chat": ("crier",),
}

_FIELDS: Mapping[str, Any] = {
    "images/generations": ImageGenerateParamsBase,
    "images/edits": ImageEditParamsBase,
    "audio/transcriptions": TranscriptionCreateParamsBase,
    "audio/translations": TranslationCreateParams,
    "audio/speech": SpeechCreateParams,
}
_FILES: Mapping[str, tuple[set[str], set[str]]] = {
    "images/edits": ({"image"}, {"mask", "markup"}),
    "audio/transcriptions": ({"file"}, set()),
    "audio/translations": ({"file"}, set()),
}
"""The fields of each form that are files: those that must be there, and those that may."""

_LISTS = {"include", "keywords", "languages", "known_speaker_names", "known_speaker_references"} | {
    "timestamp_granularities"
}
_VOICES = {"alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse"} | {
    "marin",
    "cedar",
}


@dataclass(frozen=True)
class Sent:
    """A file that was sent."""

    name: str
    mime: str
    data: bytes = field(repr=False)


Files = dict[str, list[Sent]]


def read(path: str, content_type: str, raw: bytes) -> tuple[dict[str, Any], Files] | Refusal:
    """The fields and files of a request, or why they cannot be read. What stands in a form is text."""
    kind = content_type.partition(";")[0].strip().lower()
    wanted = "multipart/form-data" if path in _FILES else "application/json"
    if kind != wanted:
        return Refusal(400, f"Unsupported content type: '{kind}'. This API takes '{wanted}'.")
    if path in _FILES:
        return _form(content_type, raw)
    try:
        return json.loads(raw), {}
    except ValueError:
        return Refusal(400, "We could not parse the JSON body of your request.")


def _form(content_type: str, raw: bytes) -> tuple[dict[str, Any], Files] | Refusal:
    unreadable = Refusal(400, "Could not parse multipart form.")
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + raw)
    if not message.is_multipart() or message.defects:
        return unreadable
    fields: dict[str, Any] = {}
    files: Files = {}
    for part in message.iter_parts():
        given, data = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if not isinstance(given, str) or not isinstance(data, bytes) or part.defects:
            return unreadable
        name, filename = given.removesuffix("[]"), part.get_filename()
        if filename is not None:
            files.setdefault(name, []).append(Sent(filename, part.get_content_type(), data))
        elif name in _LISTS:
            fields.setdefault(name, []).append(data.decode())
        elif name in fields:
            return Refusal(400, f"Duplicate parameter: '{name}'.", name)
        else:
            fields[name] = data.decode()
    return fields, files


def check(path: str, body: Any, files: Files, models: Collection[str]) -> Refusal | None:
    """Why a request is refused, or None. Numbers and switches of a form are made such in `body`."""
    if not isinstance(body, dict):
        return Refusal(400, "The body is not an object.")
    return (
        _strangers(path, body, files)
        or _typed(path, body)
        or _known(path, body, models)
        or _rules(path, body, files)
    )


def _strangers(path: str, body: Mapping[str, Any], files: Files) -> Refusal | None:
    needed, allowed = _FILES.get(path, (set(), set()))
    known = {*get_type_hints(_FIELDS[path]), "stream"} - needed - allowed
    for name in [*sorted(set(body) - known), *sorted(set(files) - needed - allowed)]:
        return Refusal(400, f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    must = {"images/generations": {"prompt"}, "images/edits": {"prompt"}, "audio/speech": {"input", "voice"}}
    for name in [*sorted(needed - set(files)), *sorted(({"model"} | must.get(path, set())) - set(body))]:
        return Refusal(400, f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    return None


def _typed(path: str, body: dict[str, Any]) -> Refusal | None:
    hints: dict[str, Any] = {**get_type_hints(_FIELDS[path]), "stream": bool | None}
    loose = path in _FILES  # everything in a form is text
    for name, given in body.items():
        hint = list[str] if name in _LISTS else hints[name]
        spelt = isinstance(given, str) and re.fullmatch(r"true|false|-?[\d.]+", given)
        value = json.loads(given) if loose and hint is not str and spelt else given
        try:
            body[name] = TypeAdapter(hint).validate_python(value, strict=True)
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            return Refusal(400, f"Invalid value for '{name}': {said}", name, "invalid_value")
    return None


def _known(path: str, body: Mapping[str, Any], models: Collection[str]) -> Refusal | None:
    if body["model"] in models:
        return None
    return Refusal(404, f"The model '{body['model']}' does not exist.", "model", "model_not_found")


def _rules(path: str, body: Mapping[str, Any], files: Files) -> Refusal | None:
    match path:
        case "images/generations" | "images/edits":
            return _painting(body) or _sources(files)
        case "audio/speech":
            return _speaking(body)
        case _:
            return _hearing(body, files["file"])


def _painting(body: Mapping[str, Any]) -> Refusal | None:
    strange = {"painter": "response_format", "easel": "stream"}.get(body["model"], "")
    if body.get(strange):
        return Refusal(400, f"Unknown parameter: '{strange}'.", strange, "unknown_parameter")
    partials = body.get("partial_images", 0)
    faults = {
        "prompt": not 1 <= len(body["prompt"]) <= 32_000,
        "n": not 1 <= body.get("n", 1) <= 10,
        "size": not _fits(body.get("size", "auto")),
        "partial_images": not 0 <= partials <= 3 or (partials and not body.get("stream")),
    }
    return _invalid(faults)


def _invalid(faults: Mapping[str, Any]) -> Refusal | None:
    for name, faulty in faults.items():
        if faulty:
            return Refusal(400, f"Invalid value for '{name}'.", name, "invalid_value")
    return None


def _fits(size: str) -> bool:
    """Edges divisible by 16 and at most 3840, a ratio of at most 3:1."""
    edges = re.fullmatch(r"(\d+)x(\d+)", size)
    if edges is None:
        return size == "auto"
    low, high = sorted((int(edges[1]), int(edges[2])))
    return not low % 16 and not high % 16 and high <= min(3840, 3 * low)


def _sources(files: Files) -> Refusal | None:
    if len(files.get("image", ())) > 16:
        return Refusal(400, "At most 16 images.", "image", "invalid_value")
    sizes = []
    for name, sent in files.items():
        for file in sent:
            try:
                with Image.open(io.BytesIO(file.data)) as picture:
                    sizes.append(picture.size)
                    kind, alpha = f"image/{(picture.format or '').lower()}", "A" in picture.getbands()
            except OSError:
                return Refusal(400, "Invalid image file.", name, "invalid_image_file")
            if kind not in ("image/png", "image/jpeg", "image/webp") or kind != file.mime:
                return Refusal(
                    400, f"Unsupported mimetype ('{file.mime}').", name, "unsupported_file_mimetype"
                )
            if len(file.data) > LARGEST_PICTURE or "." not in file.name:
                return Refusal(400, "Invalid image file.", name, "invalid_image_file")
            if name == "mask" and (kind != "image/png" or not alpha or sizes[-1] != sizes[0]):
                return Refusal(400, "The mask must be a PNG with alpha, as large as the image.", "mask")
    return None


def _hearing(body: Mapping[str, Any], sent: list[Sent]) -> Refusal | None:
    [file] = sent if len(sent) == 1 else [Sent("", "", b"")]
    if len(file.data) > LARGEST_SOUND:
        message = f"Maximum content size limit ({LARGEST_SOUND}) exceeded ({len(file.data)} bytes read)"
        return Refusal(413, message, type="server_error")
    if file.name.rpartition(".")[2].lower() not in ENDINGS or not file.data:
        said = f"Unrecognized file format. Supported formats: {sorted(ENDINGS)}"
        return Refusal(400, said, "file", "unsupported_value")
    form = body.get("response_format", "json")
    if body["model"] == "listener" and form != "json":
        said = f"response_format '{form}' is not compatible with model 'listener'. Use 'json' instead."
        return Refusal(400, said, "response_format", "unsupported_value")
    language = body.get("language")
    if language is not None and not re.fullmatch(r"[a-z]{2}", language):
        return Refusal(400, f"Invalid language '{language}'.", "language", "invalid_language_format")
    return None


def _speaking(body: Mapping[str, Any]) -> Refusal | None:
    faults = {
        "input": not 1 <= len(body["input"]) <= 4096,
        "voice": body["voice"] not in _VOICES,
        "speed": not 0.25 <= body.get("speed", 1) <= 4,
    }
    return _invalid(faults)


# --- answers as they should be -----------------------------------------------------------------------------


def png(size: tuple[int, int] = (64, 48), colour: str = "teal") -> bytes:
    """A real PNG."""
    out = io.BytesIO()
    Image.new("RGBA", size, colour).save(out, "PNG")
    return out.getvalue()


def wav(seconds: float = 0.1, rate: int = 8000) -> bytes:
    """Real silence."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\0\0" * int(seconds * rate))
    return out.getvalue()


ROUGH = ("grey", "silver", "white")
"""The colours of the unfinished pictures of a stream; the finished one is teal."""

PARTIAL_TOKENS = 100  # of output, for each of them

USAGE: dict[str, Any] = {
    "input_tokens": 12,
    "input_tokens_details": {"text_tokens": 12, "image_tokens": 0},
    "output_tokens": 272,
    "total_tokens": 284,
}


def painted(body: Mapping[str, Any], base_url: str) -> dict[str, Any]:
    """The answer to a wish for pictures: `easel` gives addresses unless told otherwise."""
    entry = {"b64_json": base64.b64encode(png()).decode(), "revised_prompt": f"{body['prompt']}, in oil"}
    if body["model"] == "easel" and body.get("response_format") != "b64_json":
        entry = {"url": f"{base_url}/files/picture.png"}
    document = {"created": 1_790_000_000, "data": [entry] * (body.get("n") or 1), "usage": USAGE}
    ImagesResponse.model_validate(document, strict=True)
    return document


def _b64(colour: str = "teal") -> str:
    return base64.b64encode(png(colour=colour)).decode()


def painting(path: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The events of a streamed picture."""
    verb = "image_generation" if path == "images/generations" else "image_edit"
    common = {
        "background": "opaque",
        "created_at": 1_790_000_000,
        "output_format": "png",
        "quality": "high",
        "size": "1024x1024",
    }
    partials = [
        {"type": f"{verb}.partial_image", "partial_image_index": n, "b64_json": _b64(colour), **common}
        for n, colour in enumerate(ROUGH[: body.get("partial_images") or 0])
    ]
    more = PARTIAL_TOKENS * len(partials)
    usage = USAGE | {name: USAGE[name] + more for name in ("output_tokens", "total_tokens")}
    done = {"type": f"{verb}.completed", "usage": usage, "b64_json": _b64(), **common}
    of_edits = verb == "image_edit"
    for document in partials:
        (ImageEditPartialImageEvent if of_edits else ImageGenPartialImageEvent).model_validate(document)
    (ImageEditCompletedEvent if of_edits else ImageGenCompletedEvent).model_validate(done)
    return [*partials, done]


def heard(body: Mapping[str, Any], words: str) -> tuple[str, str]:
    """(text, media type) of a transcript in the form that was asked for."""
    match body.get("response_format", "json"):
        case "text":
            return f"{words}\n", "text/plain; charset=utf-8"
        case "srt":
            return f"1\n00:00:00,000 --> 00:00:01,000\n{words}\n", "text/plain; charset=utf-8"
        case "vtt":
            return f"WEBVTT\n\n00:00.000 --> 00:01.000\n{words}\n", "text/plain; charset=utf-8"
        case "verbose_json":
            verbose = {"text": words, "language": "english", "duration": 1.0}
            TranscriptionVerbose.model_validate(verbose)
            return json.dumps({"task": "transcribe", **verbose}), "application/json"
    document: dict[str, Any] = {"text": words, "usage": {"type": "duration", "seconds": 1.5}}
    if body["model"] == "listener":
        used = {"type": "tokens", "input_tokens": 14, "output_tokens": 3, "total_tokens": 17}
        document = {"text": words, "languages": [{"code": "en"}], "usage": used}
    Transcription.model_validate(document)
    return json.dumps(document), "application/json"
