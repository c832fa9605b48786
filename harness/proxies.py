"""nginx, Caddy and HAProxy with the files of `deploy/proxies`, in front of a service on this host."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from harness.certificate import write_certificate
from harness.deadline import eventually
from harness.services import ROOT, Process, free_port

SNIPPETS = ROOT / "deploy" / "proxies"
PROGRAMS = {"nginx": "nginx.conf", "caddy": "Caddyfile", "haproxy": "haproxy.cfg"}
"""Each program, and the file that shows how it is set up."""
START_S = 30.0

NGINX = """
daemon off; user root; pid {folder}/pid; error_log stderr error;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
CADDY = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"


def program(name: str) -> str | None:
    """Return the path of a proxy where it is installed; Debian's lie where not every user's PATH leads."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@asynccontextmanager
async def proxied(name: str, folder: Path, service_port: int) -> AsyncIterator[str]:
    """Run one of PROGRAMS with its file in front of a port of 127.0.0.1; gives the address without path."""
    port = free_port()
    argv = [program(name) or name, *_arguments(name, folder, port, service_port)]
    async with running(name, argv, folder, port):
        yield f"https://127.0.0.1:{port}"


@asynccontextmanager
async def running(name: str, argv: Sequence[str], folder: Path, port: int, **env: str) -> AsyncIterator[None]:
    """Run a proxy until it listens, and end it afterwards."""
    process = Process(
        name, argv, folder / f"{name}.log", {"XDG_DATA_HOME": str(folder), "HOME": str(folder), **env}
    )
    process.start()
    try:
        await eventually(lambda: _listens(process, port), START_S, f"{name} listens")
        yield
    finally:
        print(process.output())
        await process.stop()


def _listens(process: Process, port: int) -> bool:
    assert process.is_running, process.output()
    found = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True)
    return bool(found.stdout)


def _arguments(name: str, folder: Path, port: int, service_port: int) -> list[str]:
    chain, key = write_certificate(folder)
    text = (SNIPPETS / PROGRAMS[name]).read_text().replace("127.0.0.1:7860", f"127.0.0.1:{service_port}")
    if name == "nginx":
        text = text.replace(":443 ssl", f":{port} ssl").replace("listen 443 ssl", f"listen {port} ssl")
        for file in (chain, key):
            text = text.replace(f"/etc/letsencrypt/live/cam.example.org/{file.name}", str(file))
        (folder / "site.conf").write_text(text)
        main = folder / "main.conf"
        main.write_text(NGINX.format(folder=folder))
        return ["-p", str(folder), "-c", str(main)]
    if name == "haproxy":
        both = folder / "both.pem"
        both.write_bytes(chain.read_bytes() + key.read_bytes())
        text = text.replace("bind :443", f"bind :{port}").replace(
            "/etc/haproxy/cam.example.org.pem", str(both)
        )
        (folder / "haproxy.cfg").write_text(text)
        return ["-db", "-f", str(folder / "haproxy.cfg")]
    site = f"https://127.0.0.1:{port} {{\n\ttls {chain} {key}"
    (folder / "Caddyfile").write_text(CADDY + text.replace("cam.example.org {", site))
    return ["run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
