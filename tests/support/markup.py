"""Whether HTML is whole: what a browser would have to mend or must never be given."""

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "hr", "path", "circle", "rect", "use"}
POINTERS = ("aria-labelledby", "aria-describedby", "data-opens", "for")


class Markup(HTMLParser):
    """`problems`: what is wrong, in words; `links`: where it leads; `forms`: where it sends."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.links: list[str] = []
        self.forms: list[tuple[str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self._ids: set[str] = set()
        self._asked: set[str] = set()
        self.feed(text)
        self.close()
        self.problems += [f"<{t}> is never closed" for t in self._open]
        self.problems += [f"#{i} is named and not there" for i in sorted(self._asked - self._ids)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {k: v or "" for k, v in attrs}
        if len(known) != len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        for name, value in known.items():
            if name.startswith("on") or name == "style" or "javascript:" in value.lower():
                self.problems.append(f"<{tag}> has {name}={value}")
        if tag == "style" or (tag == "script" and "src" not in known):
            self.problems.append(f"<{tag}> is written into the page")
        if id := known.get("id"):
            if id in self._ids:
                self.problems.append(f"#{id} is there twice")
            self._ids.add(id)
        self._asked |= {i for p in POINTERS for i in known.get(p, "").split()}
        self._goes(tag, known)
        if tag not in VOID:
            self._open.append(tag)

    def _goes(self, tag: str, known: dict[str, str]) -> None:
        if tag == "a" and "href" in known:
            self.links.append(known["href"])
        if tag == "form":
            self.forms.append((known.get("method", "get"), known.get("action", "")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        """All that can be read."""
        return " ".join(" ".join(self.text).split())
