"""Feeds as bytes, for whoever reads them."""

from xml.sax.saxutils import quoteattr


def an_entry(guid: str, title: str, *, link: str | None = None, published: str | None = None) -> str:
    """Return an RSS item; its title is put in as it is, markup and all."""
    dated = f"<pubDate>{published}</pubDate>" if published else ""
    address = f"https://news.example/{guid}" if link is None else link
    return f"<item><title>{title}</title><link>{address}</link><guid>{guid}</guid>{dated}</item>"


def rss(*items: str) -> bytes:
    """Return an RSS 2.0 feed."""
    return f"<rss version='2.0'><channel><title>News</title>{''.join(items)}</channel></rss>".encode()


def atom(guid: str, title: str, link: str) -> bytes:
    """Return an Atom feed of one entry."""
    entry = f"<entry><id>{guid}</id><title>{title}</title><link href={quoteattr(link)}/></entry>"
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title>{entry}</feed>'.encode()
