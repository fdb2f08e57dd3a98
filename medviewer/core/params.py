"""Base of everything a user may set: described, checked, frozen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """A frozen set of described values; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
