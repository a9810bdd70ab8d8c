"""The page: one HTML file, its modules, styles and catalogues, all from the package."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, HTTPException, Request, Response

from padit.portal.answers import tag_of
from padit.portal.routing import FILES, GuardedRoute, known_already, needs

__all__ = ["assets", "router"]

router = APIRouter(tags=["page"], route_class=GuardedRoute, include_in_schema=False)
_KINDS = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}
Assets = dict[str, tuple[bytes, str, str]]


def assets() -> Assets:
    """Bytes, kind and tag of each file, by its path."""
    found: Assets = {}
    _collect(files("padit.portal").joinpath("static"), "", found)
    return found


def _collect(folder: Traversable, prefix: str, found: Assets) -> None:
    for one in folder.iterdir():
        name = f"{prefix}{one.name}"
        if one.is_dir():
            _collect(one, name + "/", found)
            continue
        kind = _KINDS.get(one.name.rpartition(".")[2])
        if kind is not None:
            data = one.read_bytes()
            found[name] = data, kind, f'"{tag_of(data)}"'


def _file(request: Request, name: str) -> Response:
    found = request.app.state.assets.get(name)
    if found is None:
        raise HTTPException(404, "there is no such file")
    data, kind, tag = found
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if known_already(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=kind, headers=headers)


@router.get("/", openapi_extra=needs("public"))
async def page(request: Request) -> Response:
    """The page; all its views are behind the hash of its address."""
    return _file(request, "index.html")


@router.get(FILES + "{path:path}", openapi_extra=needs("public"))
async def static(request: Request, path: str) -> Response:
    """A file of the page."""
    return _file(request, path)


@router.get("/favicon.ico", openapi_extra=needs("public"))
async def icon(request: Request) -> Response:
    """The icon."""
    return _file(request, "icon.svg")
