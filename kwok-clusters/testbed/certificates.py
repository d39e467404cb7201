"""The keys and certificates of one bed, made here: an authority, the servers' certificate, client certificates."""

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A bed lives for hours; the day before guards against a clock that is a little behind.
_VALID_FOR = datetime.timedelta(days=30)
_VALID_BEFORE = datetime.timedelta(days=1)


class Authority:
    """A certificate authority in a folder: `ca.crt` and `ca.key`, made when they are not there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca_file = folder / "ca.crt"
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "muster-bed-ca")])
        key_file = folder / "ca.key"
        if key_file.exists():
            key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self._key = key
            return
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_file.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        write_key(key_file, self._key)

    def server_certificate(self, name: str = "server") -> tuple[Path, Path]:
        """Certificate and key files of a server on this machine."""
        addresses: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.DNSName("localhost"),
            x509.DNSName("kubernetes.default.svc"),
        ]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._issue(name, subject, ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName(addresses))

    def client_certificate(self, user: str, groups: Sequence[str]) -> tuple[Path, Path]:
        """Certificate and key files that authenticate as `user` in `groups`."""
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, user))
        # User names like system:serviceaccount:ns:name are no file names.
        file_name = "client-" + "".join(letter if letter.isalnum() else "-" for letter in user)
        return self._issue(file_name, x509.Name(attributes), ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _issue(
        self, file_name: str, subject: x509.Name, usage: x509.ObjectIdentifier, extra: x509.ExtensionType | None
    ) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._name, key.public_key()).add_extension(
            x509.ExtendedKeyUsage([usage]), critical=False
        )
        if extra is not None:
            builder = builder.add_extension(extra, critical=False)
        certificate_file = self.folder / f"{file_name}.crt"
        certificate = builder.sign(self._key, hashes.SHA256())
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return certificate_file, write_key(self.folder / f"{file_name}.key", key)


def write_service_account_keys(folder: Path) -> tuple[Path, Path]:
    """Public and private key files that kube-apiserver checks and signs service account tokens with."""
    key = ec.generate_private_key(ec.SECP256R1())
    public_file = folder / "service-account.pub"
    public_file.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return public_file, write_key(folder / "service-account.key", key)


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    """Write a private key that only its owner may read."""
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID_BEFORE)
        .not_valid_after(now + _VALID_FOR)
    )
