"""Manual pages lying open, as a retriever would have found them, and what they answer."""

from dataclasses import dataclass
from random import Random

from examples.smart_home.attributes import ATTRIBUTES, PAGES
from examples.smart_home.commands import ask_device
from examples.smart_home.comparisons import compare
from examples.smart_home.follow_ups import again, other_attribute, other_device, reverse
from examples.smart_home.home import Device, Home
from examples.smart_home.lookups import ask_attribute, ask_meaning, ask_reset
from examples.smart_home.query import Query
from examples.smart_home.troubleshooting import ask_fault

ALL_PAGES = ("registry", *PAGES, "reset", "codes", "remedies")
_SHARES = {"registry": 4}  # how often a lesson opens them: commands stand on one page only


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the manual of `device`."""

    device: Device
    name: str


def open_pages(home: Home, count: int, random: Random) -> list[Page]:
    """`count` pages: of one device, of one kind, and strangers, in any order."""
    device, other = random.sample(home.devices, k=2)
    (name,) = random.choices(ALL_PAGES, weights=[_SHARES.get(page, 1) for page in ALL_PAGES])
    starts = (
        [Page(device, name)],
        [Page(device, "codes"), Page(device, "remedies")],
        [Page(device, name), Page(other, name)],
        [Page(device, "registry"), Page(device, "codes"), Page(device, "remedies")],
    )
    (start,) = random.choices(starts, weights=(3, 2, 6, 1))
    opened = start[:count]
    while len(opened) < count:
        page = _near(random.choice(opened), home, random)
        if page not in opened:
            opened.append(page)
    random.shuffle(opened)
    return opened


def questions_over(opened: list[Page], random: Random) -> list[Query]:
    """Questions that `opened` answers: about each page, and across pages."""
    single = [query for page in opened for query in _about(page, random)]
    return single + _faults(opened, random) + _comparisons(opened, random)


def follow_ups_over(opened: list[Page], random: Random) -> list[Query]:
    """Follow-ups to one past question, most of them answered by `opened`; all share their history."""
    if random.random() < 0.15:
        return [reverse(random.choice(opened).device, random)]
    stated = [page for page in opened if page.name in PAGES]
    if not stated:
        return [again(ask_attribute(random.choice(opened).device, random.choice(ATTRIBUTES), random), random)]
    device = random.choice(stated).device
    attribute = random.choice([a for a in ATTRIBUTES if any(a.page == page.name for page in stated)])
    past = ask_attribute(device, attribute, random)
    queries = [again(past, random)] if random.random() < 0.5 else []
    for page in stated:
        if page.device is device:
            others = [a for a in ATTRIBUTES if a.page == page.name and a is not attribute]
            queries += [other_attribute(past, device, now, random) for now in others]
        elif page.name == attribute.page:
            queries.append(other_device(past, device, page.device, attribute, random))
    return queries or [again(past, random)]


def ask_absent(home: Home, opened: list[Page], random: Random) -> Query:
    """A question whose page is not among `opened`, though it may be about one of their devices."""
    while True:
        device = random.choice(opened).device if random.random() < 0.6 else random.choice(home.devices)
        page = Page(device, random.choice(ALL_PAGES))
        queries = [] if page in opened else _about(page, random)
        if queries:
            return random.choice(queries)


def _near(page: Page, home: Home, random: Random) -> Page:
    choices = (
        Page(page.device, random.choice(ALL_PAGES)),
        Page(random.choice(home.devices), page.name),
        Page(random.choice(home.devices), random.choice(ALL_PAGES)),
    )
    return random.choice(choices)


def _about(page: Page, random: Random) -> list[Query]:
    match page.name:
        case "registry":
            return [ask_device(page.device, random)]
        case "reset":
            return [ask_reset(page.device, random)]
        case "codes":
            return [ask_meaning(page.device, random)]
        case "remedies":
            return []
    stated = [attribute for attribute in ATTRIBUTES if attribute.page == page.name]
    return [ask_attribute(page.device, attribute, random) for attribute in stated]


def _faults(opened: list[Page], random: Random) -> list[Query]:
    queries = []
    for device in dict.fromkeys(page.device.id for page in opened):
        pages = {page.name: page.device for page in opened if page.device.id == device}
        if "codes" in pages and "remedies" in pages:
            queries.append(ask_fault(pages["codes"], False, random))
            queries.append(ask_fault(pages["codes"], "registry" in pages, random))
    return queries


def _comparisons(opened: list[Page], random: Random) -> list[Query]:
    queries = []
    for attribute in ATTRIBUTES:
        devices = [page.device for page in opened if page.name == attribute.page]
        if len(devices) >= 2:
            first, second = random.sample(devices, k=2)
            queries.append(compare(first, second, attribute, random))
    return queries
