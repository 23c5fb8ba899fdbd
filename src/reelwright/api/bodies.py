"""A JSON body as the type that its route takes, and nothing that only looks like it: `"30"` is a text and no number."""

import functools
from typing import Any

import msgspec
from litestar import Request

from reelwright.api.creations import BadField
from reelwright.api.misfits import misfit

WHOLE = "Send a JSON object as the body, {} at least."


class TypedRequest(Request[Any, Any, Any]):
    """A request whose JSON comes as its route's type. Litestar reads bodies as it reads queries, where all is text."""

    __slots__ = ()

    async def json(self) -> Any:
        """Return the body as what the route calls `data`. Raises BadField."""
        return read(await self.body(), self.route_handler.parsed_fn_signature.parameters["data"].annotation)


def read(body: bytes, wanted: Any) -> Any:
    """Return a body as a type, where 30.0 is an integer as in JSON Schema. Raises BadField."""
    try:
        try:
            return _decoder(wanted).decode(body)
        except msgspec.ValidationError as wrong:
            if "got `float`" not in str(wrong):
                raise
        return msgspec.convert(_WHOLE.decode(body), wanted, str_keys=True)
    except msgspec.ValidationError as wrong:
        if str(wrong).startswith("Expected `object`") and " - at " not in str(wrong):
            raise BadField(WHOLE) from None
        sentence, field = misfit(str(wrong), wanted)
        raise BadField(sentence, field=field) from None
    except UnicodeDecodeError:
        raise BadField("Send the body as UTF-8.") from None
    except msgspec.DecodeError as broken:
        raise BadField(f"{broken}.") from None


@functools.cache
def _decoder(wanted: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(wanted)


def _whole(number: str) -> float:
    """Return an integer where there is one."""
    found = float(number)
    return int(found) if found.is_integer() else found


_WHOLE = msgspec.json.Decoder(float_hook=_whole)
