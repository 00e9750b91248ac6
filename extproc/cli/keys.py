"""`extproc keys`: gateway, cookie and root keys, and the directory that tells clients of them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from extproc.cli import keys_options as given

if TYPE_CHECKING:
    from extproc.config.keymaker import Change, Roots
    from extproc.config.rotation import Terms
    from extproc.config.settings import Settings
    from extproc.link.suites import Kem

_CONFIG = Path("gateway.yaml")
_EXAMPLES = """\b
Examples:
  extproc keys init -c gateway.yaml --root gateway.root.pem       the first keys
  extproc keys rotate -c gateway.yaml --root gateway.root.pem     new ones, and a fresh directory
  extproc keys list -c gateway.yaml                               what is there, and until when
"""

app = typer.Typer(
    help="Make, list, rotate and retire keys, and sign the directory that tells clients of them.",
    epilog=_EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def init(
    *,
    config: given.Config = _CONFIG,
    root: given.NewRoot = None,
    new_root: given.UnknownRoot = False,
    kem: given.Kems = None,
    if_missing: given.IfMissing = False,
    json: given.AsJson = False,
) -> None:
    """Make the first keys: gateway keys, a cookie key, and the directory that clients fetch.

    Prints the root's public half, which clients pin. Keep the root key itself away from the gateway: it is
    needed to sign directories and for nothing else. Without --root the directory waits to be signed elsewhere
    (extproc keys sign). Gateway keys are good for 90 days, the directory for 7.

    \b
    Example:
      extproc keys init -c gateway.yaml --root gateway.root.pem
    """
    from extproc.cli import keys_output as output
    from extproc.config import keymaker
    from extproc.config.keystore import Layout, read_roots
    from extproc.config.rootkey import load_or_make_root

    settings, folder, terms = _open(config)
    if if_missing and Layout(folder).has_directory:
        output.show_nothing_done(folder, read_roots(folder), json=json)
        return
    keymaker.check_new(folder)
    _open_replay_store(settings)
    roots = [] if root is None else [load_or_make_root(root, outside=folder, new=new_root)]
    change = keymaker.init(folder, terms, time.time(), roots=roots, kems=_kems(kem) or keymaker.KEMS)
    _wait_for_first_second(change)
    output.show_change(change, roots, root_file=root, json=json)


@app.command()
def rotate(
    what: given.Subject = given.What.GATEWAY,
    *,
    config: given.Config = _CONFIG,
    root: given.Roots = None,
    new_root: given.UnknownRoot = False,
    kem: given.RotatedKems = None,
    overlap: given.Overlap = 7,
    json: given.AsJson = False,
) -> None:
    """Make new keys that take over from the old ones, and a directory with a fresh life of 7 days.

    Running workers take up keys and directories by themselves. Clients use the new keys a minute later, when
    every worker holds them. The old ones stay valid for --overlap and open for a day more; the first command
    after that which changes the directory deletes their files. A new cookie key seals from now on, and the
    others still open. "directory" makes no key: it renews the directory, by what gateway.yaml says now.

    Without --root the directory is written to directory.unsigned: sign it where the root key is (extproc keys
    sign).

    \b
    Examples:
      extproc keys rotate -c gateway.yaml --root gateway.root.pem
      extproc keys rotate directory -c gateway.yaml --root gateway.root.pem     once a day, say
    """
    from extproc.cli import keys_output as output
    from extproc.config import keymaker, rotation

    _, folder, terms = _open(config)
    roots, now = _load_roots(root, folder, new=new_root), time.time()
    if what is given.What.COOKIE:
        change = keymaker.rotate_cookie(folder, now)
    elif what is given.What.DIRECTORY:
        change = keymaker.renew(folder, terms, now, roots=roots)
    else:
        times = {"overlap": overlap * rotation.DAY, "lead": rotation.LEAD if overlap else 0}
        change = keymaker.rotate(folder, terms, now, roots=roots, kems=_kems(kem), **times)
    output.show_change(change, roots, json=json)
    output.show_uptake(json=json)


@app.command()
def retire(
    key: given.KeyId,
    *,
    config: given.Config = _CONFIG,
    root: given.Roots = None,
    new_root: given.UnknownRoot = False,
    at_once: given.AtOnce = False,
    json: given.AsJson = False,
) -> None:
    """End the use of a key.

    Clients use a retired gateway key no more once they see the directory; it opens for a day longer, for
    those that have not, and then its file is deleted as with rotate. --at-once deletes it now: clients that
    still use it get unknown-key, and fetch the directory. A cookie key is always deleted at once: what it has
    sealed is as good as gone.

    \b
    Example:
      extproc keys retire 0123456789abcdef -c gateway.yaml --root gateway.root.pem
    """
    from extproc.cli import keys_output as output
    from extproc.config import keymaker

    try:
        key_id = bytes.fromhex(key)
    except ValueError as error:
        raise typer.BadParameter("expected an id in hexadecimal", param_hint="KEY") from error
    _, folder, terms = _open(config)
    roots = _load_roots(root, folder, new=new_root)
    change = keymaker.retire(folder, terms, time.time(), key_id, roots=roots, at_once=at_once)
    output.show_change(change, roots, json=json)
    output.show_uptake(json=json)


@app.command()
def sign(
    file: given.Unsigned,
    root: given.SigningRoots,
    new_root: given.UnknownRoot = False,
    out: given.Output = None,
    json: given.AsJson = False,
) -> None:
    """Sign a directory where the root key is: no settings, no network and no other key are needed.

    Its 7 days count from now. Look at what was signed, then bring the result to the gateway, as directory.bin
    in its folder of keys, where running workers take it up. A directory.bin is renewed: the same, under the
    next serial.

    \b
    Example:
      extproc keys sign directory.unsigned --root gateway.root.pem -o directory.bin
    """
    from extproc.cli import keys_output as output
    from extproc.config.keyfiles import overwrite
    from extproc.config.keymaker import Change, remember_roots, signed
    from extproc.config.keystore import read_roots

    target = file.with_name("directory.bin") if out is None else out
    roots = _load_roots(root, target.parent, new=new_root)
    directory, result = signed(_read(file), roots, time.time(), name=str(file))
    if known := read_roots(target.parent):
        remember_roots(target.parent, known, roots)
    overwrite(target, result)
    if not json:
        output.show_directory(directory, [root.public for root in roots])
    output.show_change(Change(directory, target), roots, json=json)


@app.command(name="list")
def list_keys(config: given.Config = _CONFIG, json: given.AsJson = False) -> None:
    """List the key files, with their dates and what they are good for now.

    \b
    Example:
      extproc keys list -c gateway.yaml
    """
    from extproc.cli import keys_output as output
    from extproc.config.inventory import inventory
    from extproc.config.keystore import no_keys, read_keys

    _, folder, _ = _open(config)
    items = inventory(folder, read_keys(folder), time.time())
    if not items:
        raise no_keys(folder)
    output.show_inventory(items, json=json)


@app.command()
def show(file: given.AnyDirectory = None, config: given.Config = _CONFIG, json: given.AsJson = False) -> None:
    """Show a key directory: the gateway's with the root keys for clients to pin, or the one in FILE.

    \b
    Examples:
      extproc keys show -c gateway.yaml
      extproc keys show directory.unsigned      before signing it
    """
    from extproc.cli import keys_output as output
    from extproc.config.keymaker import read_directory
    from extproc.config.keystore import load_keys, read_keys

    if file is not None:
        output.show_directory(read_directory(_read(file), name=str(file)), [], json=json)
        return
    _, folder, _ = _open(config)
    output.show_directory(load_keys(folder).decoded, read_keys(folder).roots, json=json)


def _open(config: Path) -> tuple[Settings, Path, Terms]:
    """The settings, the folder of keys, and what a directory says by these settings."""
    from extproc.config.load import load
    from extproc.config.rotation import Terms

    settings = load(config)
    return settings, settings.path(settings.link.keys), Terms.of(settings)


def _read(file: Path) -> bytes:
    from extproc.config.keyfiles import plain_errors

    with plain_errors(file):
        return file.read_bytes()


def _kems(names: Iterable[given.KemName] | None) -> list[Kem] | None:
    from extproc.link.suites import Kem

    return [Kem[name.name] for name in given.KemName if name in names] if names else None


def _load_roots(paths: Iterable[Path] | None, folder: Path, *, new: bool) -> Roots:
    """The root keys, which have to be known in `folder`, unless they are meant to be `new` there."""
    from extproc.config.rootkey import check_known, load_root

    roots = [load_root(path) for path in paths or ()]
    if not new:
        check_known(folder, [root.public for root in roots])
    return roots


def _wait_for_first_second(change: Change) -> None:
    """Keys are dated by the next full second: when the command ends, clients can use them."""
    if change.directory is not None:
        begin = max(entry.not_before for entry in change.directory.keys)
        time.sleep(max(0.0, begin - time.time()))


def _open_replay_store(settings: Settings) -> None:
    """Let the store be older than the keys: workers then need not wait until they can tell replays."""
    if settings.link.replay == "lmdb":
        from extproc.server.stores import open_store

        open_store(settings, time.time_ns() // 1_000_000)
