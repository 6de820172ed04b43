"""How Terraform reaches the provider: as a program that it starts, or as a server that it is told of."""

from __future__ import annotations

import base64
import datetime
import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from standin.cloud import Cloud
from standin.schema import load
from standin.service import Provider
from standin.wire import message

# what terraform sets for a program that it starts as a provider: not a secret, but a sign that the start is meant
COOKIE = ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2")


def serve(cloud: Path, subscription: str, address: str, credentials: Any = None) -> tuple[Any, threading.Event]:
    """Start a server for *cloud* at *address*; the event is set once Terraform asks it to end.

    *subscription* counts where the provider's configuration names none, as ARM_SUBSCRIPTION_ID does for azurerm.
    """
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    done = threading.Event()
    provider = Provider(load(), Cloud(cloud), subscription)
    server.add_generic_rpc_handlers((provider.handler(), _shutdown(done)))
    if credentials is None:
        server.add_insecure_port(address)
    else:
        server.add_secure_port(address, credentials)
    server.start()
    return server, done


def _shutdown(done: threading.Event) -> Any:
    """The one call of HashiCorp's plugin library that must be answered: without it Terraform waits two seconds to end."""
    empty = message("Empty")

    def end(request: Any, context: Any) -> Any:
        context.add_callback(done.set)
        return empty()

    handlers = {
        "Shutdown": grpc.unary_unary_rpc_method_handler(
            end, request_deserializer=empty.FromString, response_serializer=empty.SerializeToString
        )
    }
    return grpc.method_handlers_generic_handler("plugin.GRPCController", handlers)


def run(cloud: Path) -> None:
    """Be the program that Terraform starts: tell the address and the certificate on one line, and serve until told to end."""
    if os.environ.get(COOKIE[0]) != COOKIE[1]:
        raise SystemExit("This program is started by terraform. To plan by hand, see tests/terraform/README.md.")
    with _socket() as path:
        certificate, credentials = _identity()
        server, done = serve(cloud, os.environ.get("ARM_SUBSCRIPTION_ID", ""), f"unix:{path}", credentials)
        encoded = base64.b64encode(certificate).decode().rstrip("=")
        print(f"1|6|unix|{path}|grpc|{encoded}", flush=True)
        done.wait()
        server.stop(grace=None).wait()


@contextmanager
def _socket() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="azurerm-") as folder:
        yield Path(folder) / "s"


def _identity() -> tuple[bytes, Any]:
    """A certificate for this process alone, and what a server needs to use it.

    Terraform also offers a certificate of its own, on a curve that BoringSSL, and so grpc, does not verify. It is not asked
    for: the socket lies in a folder that only this user can enter.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.DER), grpc.ssl_server_credentials([(private, pem)])
