"""The languages of the call page: complete, chosen by the browser, with numbers as the language writes them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from .conftest import Opened, opened
from .scripted import Picture

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEAVES = """async () => {
  const { LANGUAGES } = await import('/text.js'), all = {};
  const walk = (value, path, leaves) => {
    if (typeof value === 'function') {
      const one = walk(value(...[11, 22, 33].slice(0, value.length)), `${path}(${value.length})`, leaves);
      walk(value(...['', 0, 0].slice(0, value.length)), `${path}(${value.length}) of nothing`, leaves);
      return one;
    }
    if (typeof value === 'string') leaves[path] = value;
    else for (const [key, inner] of Object.entries(value)) walk(inner, path ? `${path}.${key}` : key, leaves);
  };
  for (const [language, texts] of Object.entries(LANGUAGES)) walk(texts, '', all[language] = {});
  return all;
}"""
"""Every text by language and place; functions are called with 11, 22, 33 and with nothing."""
ALIKE = {
    "name",
    "banner.dismiss",
    "plate.portrait",
    "settings.themeSystem",
    "portrait.other",
    "title",
    "devices.unnamed",
    "savings.psnr",
    "chat.said",
    "units",
}
"""Texts, or groups of them, that may be the same in two languages."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def texts(browser: Browser, face: Picture) -> AsyncIterator[dict[str, dict[str, str]]]:
    async for page in opened(browser, face):
        yield await page.page.evaluate(LEAVES)


async def test_all_languages_have_the_same_texts_with_the_same_placeholders(texts: dict[str, dict[str, str]]) -> None:
    english = texts["en"]
    assert len(english) > 250
    assert set(texts) >= {"en", "de"}
    for language, there in texts.items():
        assert list(there) == list(english), f"keys, their order or parameters of {language} differ from English"
        for place, words in there.items():
            for placeholder in ("11", "22", "33"):
                assert (placeholder in words) == (placeholder in english[place]), f"{language}: {place} {placeholder}"
            assert words.strip(), f"{language}: {place}"
            assert "undefined" not in words, f"{language}: {place}"
            assert "NaN" not in words, f"{language}: {place}"


async def test_every_text_is_translated(texts: dict[str, dict[str, str]]) -> None:
    for place, words in texts["de"].items():
        group = place.split("(", 1)[0]
        if not any(group == alike or group.startswith(alike + ".") for alike in ALIKE):
            assert words != texts["en"][place], f"{place} is still English"


@pytest.mark.parametrize(
    ("wanted", "lang", "join", "rate", "share"),
    [
        (["de-DE"], "de-DE", "Beitreten", "5,1 kbit/s", "0,2\u00a0%"),
        (["fr-FR", "de-AT", "en-US"], "de-DE", "Beitreten", "5,1 kbit/s", "0,2\u00a0%"),
        (["en-US", "de-DE"], "en-GB", "Join", "5.1 kbps", "0.2%"),
        (["fr-FR"], "en-GB", "Join", "5.1 kbps", "0.2%"),
        ([], "en-GB", "Join", "5.1 kbps", "0.2%"),
    ],
)
async def test_the_browser_chooses_the_language(
    call_page: Opened, wanted: list[str], lang: str, join: str, rate: str, share: str
) -> None:
    page = call_page.page
    await page.add_init_script(f"Object.defineProperty(navigator, 'languages', {{ value: {wanted} }})")
    await page.reload()
    await expect(call_page.at("html")).to_have_attribute("lang", lang)
    await expect(call_page.at("#join")).to_have_text(join)
    call_page.process.call()
    call_page.process.figures()
    await expect(call_page.at("#value-payload")).to_have_text(rate)
    await expect(call_page.at("#facts")).to_contain_text(share)


async def test_a_german_browser_shows_german_from_lobby_to_end(german_page: Opened) -> None:
    process = german_page.process
    await expect(german_page.at("#join")).to_have_text("Beitreten")
    assert await german_page.page.title() == "kitchen · facewire"
    process.call(name="", camera="no-face")
    process.words()
    process.figures(loss=0.2)
    await expect(german_page.at("#quality")).to_have_accessible_name("Gesprächsqualität: schlecht")
    await german_page.at("#quality").click()
    await expect(german_page.at("#advice-list")).to_contain_text("Ihre Verbindung verliert Pakete: 20\u00a0%")
    await expect(german_page.at(".banner")).to_contain_text("Das Gesicht der anderen Person ist nicht zu sehen")
    process.phase("ended", "other-left", "the other side left")
    await expect(german_page.at("#message-title")).to_have_text("Die andere Person hat das Gespräch verlassen")


async def test_what_stays_english_is_marked_as_english(german_page: Opened) -> None:
    """Safety words are the same for both people; details come from the process. Screen readers must not read them as German."""
    process = german_page.process
    process.words()
    process.call()
    await expect(german_page.at("#words-list")).to_have_attribute("lang", "en")
    process.say("problem", code="notice", detail="a notice")
    await expect(german_page.at("#status-text")).to_have_text("a notice")
    await expect(german_page.at("#status-text")).to_have_attribute("lang", "en")
    process.phase("ended", "versions", "protocol 2 there, 1 here")
    await expect(german_page.at("#message-foot")).to_have_attribute("lang", "en")
    await expect(german_page.at("#message-text")).not_to_have_attribute("lang", "en")
    process.phase("ended", "refused", "no more than ten rooms")
    await expect(german_page.at("#message-text")).to_have_text("no more than ten rooms")
    await expect(german_page.at("#message-text")).to_have_attribute("lang", "en")
