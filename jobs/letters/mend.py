"""Letters through a command that mends them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from schemas.errors import AnomasecError

__all__ = ["mend"]

_TIMEOUT_S = 600


def mend(originals: Sequence[bytes], command: str = "", sed: str = "") -> list[bytes]:
    r"""The lines as a command gives them back, one for one.

    Parameters
    ----------
    originals
        Lines. One that holds a '\n' (binary) passes unchanged.
    command
        For the shell; reads lines, prints as many.
    sed
        An expression for `sed -E`, in place of a command.

    Raises
    ------
    AnomasecError
        The command fails, takes more than ten minutes, or prints another number of lines.
    """
    if not command and not sed:
        return list(originals)
    single = [place for place, line in enumerate(originals) if b"\n" not in line]
    given = b"".join(originals[place] + b"\n" for place in single)
    arguments: list[str] | str = ["sed", "-E", sed] if sed else command
    shown = f"sed -E '{sed}'" if sed else command
    try:
        done = subprocess.run(arguments, input=given, capture_output=True, shell=not sed, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AnomasecError(f"cannot run {shown}: {error}", "try it by `anomasec dead-letters show --raw | ...`") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise AnomasecError(f"{shown} failed{': ' + said[-1] if said else ''}", "try it by `anomasec dead-letters show --raw | ...`")
    mended = done.stdout.removesuffix(b"\n").split(b"\n") if single else []
    if len(mended) != len(single):
        raise AnomasecError(f"{shown} gave {len(mended)} lines for {len(single)}", "it must print one line for each it reads")
    result = list(originals)
    for place, line in zip(single, mended, strict=True):
        result[place] = line
    return result
