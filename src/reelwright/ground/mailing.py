"""Says which e-mail addresses letters reach: those that every mail server takes, in a header and in RCPT TO."""

import re

_LONGEST = 254  # RFC 5321, 4.5.3.1.3: a path is 256 octets, brackets included
_WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_TOP = r"[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
# RFC 5321, 4.1.2, without quoted local parts and addresses in brackets.
_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@){_WORD}(?:\.{_WORD})*@(?:{_LABEL}\.)+{_TOP}")


def reached(address: str) -> bool:
    """Say whether letters reach such an address, if there is one."""
    return len(address) <= _LONGEST and _ADDRESS.fullmatch(address) is not None
