"""Signature policies of an AppProject: a commit that no allowed key has signed is not synced.

    spec.signatureKeys            OpenPGP keys, as in Argo CD; the public keys lie in the ConfigMap argocd-gpg-keys-cm
    spec.sourceIntegrity          the same by repository; signatureKeys count where it says nothing of one
    shipway.dev/allowed-signers   an annotation: SSH keys, in the words of OpenSSH's allowed_signers file

Either is enough. Of an annotated tag its own signature counts, of everything else that of the commit (Argo CD's rule and words:
controller/state.go verifyGnuPGSignature, 3.0).
"""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from shipway.api.application import ProjectSpec
from shipway.api.commits import Doubt, Signature, is_made_by
from shipway.api.source_integrity import GitPolicy, integrity_problems, policies_of
from shipway.base.errors import InvalidInput
from shipway.kube.objects.resource import Obj
from shipway.kube.objects.views import annotations_of

ALLOWED_SIGNERS = "shipway.dev/allowed-signers"
"""On an AppProject: the SSH keys one of which has to have signed what is synced."""
_KEY_ID = re.compile(r"(0x)?([0-9A-Fa-f]{24})?[0-9A-Fa-f]{16}")
_LINE = re.compile(
    r'(?P<who>\S+)\s+(?:namespaces="(?P<for>[^"]*)"\s+)?(?P<kind>(?:ssh|ecdsa)-\S+)\s+(?P<key>[A-Za-z0-9+/=]+)(?:\s.*)?'
)


class SignaturePolicy(Struct, frozen=True):
    """Whose signature counts: OpenPGP keys by the end of their fingerprint, SSH keys as `type base64`."""

    gpg: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()
    policies: tuple[GitPolicy, ...] = ()
    """What is said of single repositories, before the rest."""
    is_of_git: bool = False
    """It asks nothing of charts and artifacts."""
    is_strict: bool = False
    """It asks for the signatures of all that led to a commit, too."""

    def of(self, repo_url: str) -> "SignaturePolicy":
        """What counts for a repository. Either kind of key is enough where one is asked for."""
        found = next((one.gpg for one in self.policies if one.speaks_of(repo_url)), None)
        if found is None:
            return SignaturePolicy(self.gpg, self.ssh)
        if found.mode == "none":
            return SignaturePolicy()
        return SignaturePolicy(_ends(found.keys), self.ssh, is_of_git=True, is_strict=found.mode == "strict")

    @property
    def is_required(self) -> bool:
        return bool(self.gpg or self.ssh)

    def allows(self, signature: Signature) -> bool:
        return is_made_by(signature, self.gpg, self.ssh)


def key_problems(project: ProjectSpec) -> Iterator[str]:
    """What is wrong with `signatureKeys` and `sourceIntegrity`, each with its path."""
    wrong = tuple(integrity_problems(project))
    yield from wrong
    named = [(f"signatureKeys[{index}].keyID", one.key_id) for index, one in enumerate(project.signature_keys or ())]
    for index, policy in enumerate(() if wrong else policies_of(project)):
        where = f"sourceIntegrity.git.policies[{index}].gpg.keys"
        named += [(f"{where}[{number}]", key) for number, key in enumerate(policy.gpg.keys)]
    for where, key in named:
        if not _KEY_ID.fullmatch(key):
            told = "write the last 16 hexadecimal digits of its fingerprint, or all 40"
            yield f"{where}: {key!r} is no id of an OpenPGP key: {told}"


def policy_of(project: Obj, spec: ProjectSpec) -> SignaturePolicy:
    """Raises InvalidInput for an annotation that is no list of signers."""
    gpg = _ends([one.key_id for one in spec.signature_keys or ()])
    text = annotations_of(project).get(ALLOWED_SIGNERS)
    return SignaturePolicy(gpg, () if text is None else _signers(text), policies_of(spec))


def _ends(keys: Sequence[str]) -> tuple[str, ...]:
    """What fingerprints of these keys end with."""
    return tuple(key.upper().removeprefix("0X") for key in keys)


def refusal_of_signature(policy: SignaturePolicy, signature: Signature, revision: str) -> str:
    """Why the revision may not be synced; "" when it may."""
    made = f"{signature.cipher} key {_shown(signature)}".strip()
    match signature.result:
        case "none":
            return unsigned(revision)
        case "good" if policy.allows(signature):
            return ""
        case "good":
            return f"Found good signature made with {made}, but this key is not allowed in AppProject"
        case "invalid":
            return f"Found signature made with {made}, but verification result was invalid: '{signature.message}'"
        case _:
            return f"Could not verify commit signature on revision '{revision}': {signature.message}"


def refusal_of_history(doubts: Sequence[Doubt]) -> str:
    """Why a revision may not be synced for what led to it; "" when it may. A key is told of once (Argo CD's words)."""
    told: dict[str, str] = {}
    for doubt in doubts:
        signature = doubt.signature
        what = {"none": "unsigned", "good": "signed with a key that is not allowed"}.get(signature.result, signature.message)
        sentence = f"Failed verifying revision {doubt.revision} by '{doubt.author}': {what} (key_id={_shown(signature)})"
        told.setdefault(signature.key or doubt.revision, sentence)
    return ". ".join(told.values())


def unsigned(revision: str) -> str:
    """What is said of a revision without a signature; a chart has none that counts."""
    return f"Target revision {revision} in Git is not signed, but a signature is required"


def _shown(signature: Signature) -> str:
    return signature.key if ":" in signature.key else signature.key[-16:]


def _signers(text: str) -> tuple[str, ...]:
    """The keys of an allowed_signers file that may sign for Git."""
    found: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        read = _LINE.fullmatch(line.strip())
        if read is None:
            told = 'write `name ssh-ed25519 AAAA…`; of the options only namespaces="git" is read'
            raise InvalidInput(f"annotation {ALLOWED_SIGNERS}: line {number} names no SSH key: {told}")
        if read["for"] is None or "git" in _names(read["for"]):
            found.append(f"{read['kind']} {read['key']}")
    if not found:
        raise InvalidInput(f"annotation {ALLOWED_SIGNERS}: it names no key that may sign for Git: nothing could be synced")
    return tuple(found)


def _names(text: str) -> Sequence[str]:
    return [one.strip() for one in text.split(",")]
