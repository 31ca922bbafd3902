"""curl(1) as it is on one of the lab's machines, for what an audit asks of it: whether a URL's server can be trusted.

It is run by ``machine_python``, whose network and certificate store it uses. Exit statuses and texts are curl's own.
"""

import socket
import ssl
import sys
from urllib.parse import urlsplit


def main(arguments: list[str]) -> int:
    """Connect, shake hands, ask for the head of the page; give back curl's exit status."""
    options = iter(arguments)
    url, store, limit = "", None, 10.0
    for option in options:
        if option in ("-o", "--noproxy", "--connect-timeout", "-w", "-H"):
            next(options, None)
        elif option == "--cacert":
            store = next(options, None)
        elif option == "--max-time":
            limit = float(next(options, "10"))
        elif not option.startswith("-"):
            url = option
    asked = urlsplit(url)
    host, secure = asked.hostname or "", asked.scheme == "https"
    port = asked.port or (443 if secure else 80)
    try:
        with socket.create_connection((host, port), limit) as plain:
            if secure:
                ssl.create_default_context(cafile=store).wrap_socket(plain, server_hostname=host).close()
    except socket.gaierror:
        return said(6, f"Could not resolve host: {host}")
    except TimeoutError:
        return said(28, f"Connection timed out after {int(limit * 1000)} milliseconds")
    except ssl.SSLCertVerificationError as error:
        return said(60, f"SSL certificate problem: {error.verify_message}")
    except ssl.SSLError as error:
        return said(35, f"{error.reason}")
    except FileNotFoundError:
        return said(77, f"error setting certificate verify locations: CAfile: {store}")
    except OSError as error:
        return said(7, f"Failed to connect to {host} port {port}: {error.strerror}")
    return 0


def said(status: int, text: str) -> int:
    """Complain as curl does."""
    print(f"curl: ({status}) {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
