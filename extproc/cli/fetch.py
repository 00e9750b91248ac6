"""`extproc fetch`: curl through the link."""

from __future__ import annotations

from extproc.cli import fetch_options as given


def fetch(
    url: given.Url,
    *,
    link: given.Link = "",
    root: given.Roots = None,
    request: given.Method = "",
    header: given.HeaderLines = None,
    data: given.Data = None,
    upload_file: given.Upload = "",
    output: given.Output = "-",
    include: given.Include = False,
    no_buffer: given.Live = False,
    verbose: given.Verbose = False,
    silent: given.Silent = False,
    fail: given.Fail = False,
    location: given.Follow = False,
    cache: given.Cache = None,
    require_pq: given.RequirePq = False,
    insecure_http: given.InsecureHttp = False,
    timeout: given.Timeout = 30,
) -> None:
    """Fetch a URL through a link. Exit code 0 whatever the upstream says, 1 when the link fails.

    \b
    Examples:
      extproc fetch https://shop.example.com/prices --link https://gw.example.com --root ed25519:...
      extproc fetch -v -d '{"item": "tea", "quantity": 2}' https://shop.example.com/orders
      extproc fetch -T backup.tar https://shop.example.com/uploads/
      extproc fetch -N https://shop.example.com/events
    """
    via = given.Via(link, root or [], cache, require_pq, insecure_http, timeout)
    asked = given.Asked(url, request, header or [], data, upload_file, location)
    _run(via, asked, given.Shown(output, include, no_buffer, verbose, silent, fail))


def _run(via: given.Via, asked: given.Asked, shown: given.Shown) -> None:
    from extproc.cli.fetch_exchange import run

    run(via, asked, shown)
