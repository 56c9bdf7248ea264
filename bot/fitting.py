"""Pictures as a platform shows them: what is too heavy for it, or in a form that it does not know, becomes a JPEG."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import structlog

from bot.api import Media
from bot.delivery import Delivery, Handler
from bot.errors import Indigestible
from bot.media.workshop import PATCHES, Workshop

_PLAIN = ("image/png", "image/jpeg")
_SIZES = (8 * PATCHES, PATCHES, PATCHES // 4)  # the first leaves a picture of 12 megapixels as large as it is
_QUALITY = 90

_log = structlog.get_logger(__name__)


class Fitting:
    """Has every picture of an answer fit its platform; a `delivery.Handler` around another."""

    def __init__(self, workshop: Workshop, following: Handler) -> None:
        self._workshop = workshop
        self._following = following

    async def __call__(self, delivery: Delivery) -> None:
        """Answer, with pictures that fit."""
        delivery.fit = partial(self._fitted, delivery.picture_limit)
        await self._following(delivery)

    async def _fitted(self, limit: int, media: Media) -> Media:
        """The picture itself where it fits, else the largest JPEG (or PNG, if something shows through) that does."""
        if media.mime in _PLAIN and len(media.data) <= limit:
            return media
        for patches in _SIZES:
            try:
                made = await self._workshop.picture(media.data, patches=patches, quality=_QUALITY)
            except Indigestible as error:
                _log.warning("picture.not_fitted", kind=type(error).__name__, detail=str(error))
                return media
            if len(made.data) <= limit:
                return replace(media, mime=made.mime, data=made.data)
        return media
