# SPDX-License-Identifier: BSD-3-Clause
"""nbd_certs - certificates and keys for tests of TLS, made by openssl.

    certs = nbd_certs.Certs(directory), or nbd_certs.shared_certs()
    certs.good         a folder as QEMU, nbdkit and libnbd want it
    certs.psk_file     user:key, as psktool writes it

Folders hold ca-cert.pem, {server,client}-{cert,key}.pem:

    good        all signed by the CA, for localhost, 127.0.0.1 and ::1
    no_client   as good, but a client has nothing to show
    wrong_ca    a sound set of another CA
    expired     the server's certificate was valid in another year
    wrong_host  the server's certificate is for another host
    bad_client  the client's certificate is one of another CA
"""
import atexit
import functools
import os
import secrets
import shutil
import subprocess
import tempfile

from tools import Failed, need

HOST = "localhost"
OTHER_HOST = "elsewhere.example"
PSK_USER = "qemu"
NAMES = "DNS:%s,IP:127.0.0.1,IP:::1" % HOST

# What GnuTLS (nbdkit, qemu, nbd-server) looks at as well.
PURPOSES = {
    "ca": "basicConstraints=critical,CA:TRUE\n"
          "keyUsage=critical,keyCertSign,cRLSign\n",
    "server": "basicConstraints=critical,CA:FALSE\n"
              "keyUsage=critical,digitalSignature\n"
              "extendedKeyUsage=serverAuth\n",
    "client": "basicConstraints=critical,CA:FALSE\n"
              "keyUsage=critical,digitalSignature\n"
              "extendedKeyUsage=clientAuth\n",
}


def openssl(*args):
    done = subprocess.run([need("openssl"), *args], capture_output=True,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Failed("openssl %s: %s" % (
            " ".join(args), done.stderr.decode(errors="replace")))


class Authority:
    """A CA: @directory/ca-cert.pem and its key."""

    def __init__(self, directory, name):
        os.makedirs(directory)
        self.directory = directory
        self.cert = os.path.join(directory, "ca-cert.pem")
        self.key = os.path.join(directory, "ca-key.pem")
        new_key(self.key)
        config = self.write("ca.cnf", "[req]\ndistinguished_name=dn\n"
                            "x509_extensions=ext\nprompt=no\n"
                            "[dn]\nCN=%s\n[ext]\n%s"
                            "subjectKeyIdentifier=hash\n"
                            % (name, PURPOSES["ca"]))
        openssl("req", "-new", "-x509", "-config", config, "-key", self.key,
                "-days", "30", "-out", self.cert)

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def sign(self, who, common_name, cert, key, names=None, expired=False):
        """A new @key and its @cert, for @who = server or client."""
        new_key(key)
        request = os.path.join(self.directory, "request.pem")
        openssl("req", "-new", "-key", key, "-subj", "/CN=" + common_name,
                "-out", request)
        extensions = PURPOSES[who] + "subjectKeyIdentifier=hash\n" \
            "authorityKeyIdentifier=keyid\n"
        if names:
            extensions += "subjectAltName=%s\n" % names
        # Not "x509 -days": that has no way to begin in the past.
        database = self.write("index.txt", "")
        self.write("index.txt.attr", "unique_subject=no\n")
        config = self.write("sign.cnf", "[ca]\ndefault_ca=me\n[me]\n"
                            "database=%s\nnew_certs_dir=%s\nrand_serial=yes\n"
                            "default_md=sha256\npolicy=any\n"
                            "x509_extensions=ext\n[any]\nCN=supplied\n"
                            "[ext]\n%s"
                            % (database, self.directory, extensions))
        when = ["-startdate", "20200101000000Z", "-enddate",
                "20200301000000Z"] if expired else ["-days", "20"]
        openssl("ca", "-batch", "-notext", "-config", config, "-cert",
                self.cert, "-keyfile", self.key, *when, "-in", request,
                "-out", cert)


def new_key(path):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-out", path)
    os.chmod(path, 0o600)


@functools.cache
def shared_certs():
    """Those of a test program, which nobody changes: openssl is started more than
    twenty times for them."""
    directory = tempfile.mkdtemp(prefix="vdisk-test-certs-")
    atexit.register(shutil.rmtree, directory, True)
    return Certs(directory)


class Certs:
    def __init__(self, directory):
        self.root = directory
        ours = Authority(self.path("ours"), "vdisk test CA")
        theirs = Authority(self.path("theirs"), "another CA")
        self.good = self.folder("good", ours)
        self.wrong_ca = self.folder("wrong-ca", theirs)
        self.expired = self.variant("expired")
        self.certify("server", self.expired, ours, expired=True)
        self.wrong_host = self.variant("wrong-host")
        self.certify("server", self.wrong_host, ours,
                     names="DNS:" + OTHER_HOST)
        self.no_client = self.variant("no-client")
        self.bad_client = self.variant("bad-client")
        for kind in ("cert", "key"):
            name = "client-%s.pem" % kind
            os.remove(os.path.join(self.no_client, name))
            shutil.copy(os.path.join(self.wrong_ca, name),
                        os.path.join(self.bad_client, name))
        self.psk_dir = self.path("psk")
        self.psk_file = self.keys(self.psk_dir)
        self.wrong_psk_file = self.keys(self.path("wrong-psk"))

    def path(self, name):
        return os.path.join(self.root, name)

    def folder(self, name, authority):
        directory = self.path(name)
        os.makedirs(directory)
        shutil.copy(authority.cert, directory)
        self.certify("server", directory, authority)
        self.certify("client", directory, authority)
        return directory

    def variant(self, name):
        """A copy of the good ones, to be spoilt."""
        return shutil.copytree(self.good, self.path(name))

    @staticmethod
    def certify(who, directory, authority, names=NAMES, expired=False):
        cert, key = (os.path.join(directory, "%s-%s.pem" % (who, kind))
                     for kind in ("cert", "key"))
        authority.sign(who, HOST if who == "server" else "a client", cert, key,
                       names if who == "server" else None, expired)

    @staticmethod
    def keys(directory):
        """keys.psk with a fresh key, readable for us only."""
        os.makedirs(directory)
        path = os.path.join(directory, "keys.psk")
        with open(path, "w", encoding="ascii") as file:
            file.write("%s:%s\n" % (PSK_USER, secrets.token_hex(32)))
        os.chmod(path, 0o600)
        return path
