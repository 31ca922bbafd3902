"""Container registry: it is there, it holds the images, and the VMs' engines trust it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from readiness import (
    Attempt,
    Cause,
    Check,
    Evidence,
    Judgement,
    Lane,
    Level,
    Needs,
    Owner,
    Requirement,
    Settled,
    Status,
    Target,
    TargetKind,
    Unread,
)
from readiness.probes.http import HttpAnswer, HttpRefusal
from readiness.probes.linux import ReadSystem, System
from readiness.probes.registry import AskRegistry, Holding, ImageAnswer, Login, RegistryTalk, Scheme
from readiness.probes.registry_trust import ReadRegistryTrust, RegistryTrust, Trust, Verification
from readiness.probes.tls import TlsTrouble
from readiness.site import Absent, Registry, ServiceTarget, Site, VmTarget

SECTION = "Container Registry"

_WHAT = "container registry"
_EXPECTED = "a registry that every EXEC VM can pull the images from"
_INSTEAD = (
    "Say in an attestation how EXEC's images reach the VMs without a registry, or declare `registry` in the site file."
)


# -- it is there -----------------------------------------------------------------------------------------------


class RegistryReachable(Check[ServiceTarget[Registry], RegistryTalk]):
    requirement = Requirement(
        id="registry.reachable",
        section=SECTION,
        text="The customer provides a container registry for EXEC's images, and it answers where EXEC will run.",
        proof=(
            "From an EXEC VM the registry is asked for `/v2/` by HTTPS, its certificate verified for its name. An"
            " answer 200, or 401 with a Basic or Bearer challenge, is what only a registry gives. The declared"
            " account is then tried once, as an engine would."
        ),
        outcomes={
            Status.PASS: "A registry answered from an EXEC VM, and took the declared account where there is one.",
            Status.WARN: "It answered, but refuses the declared account, or its certificate ends within 30 days.",
            Status.FAIL: (
                "Nothing answered from an EXEC VM, something answered that is no registry, or its certificate has"
                " expired, is for another name, or is not signed by the authority in `registry.ca_file`."
            ),
            Status.UNKNOWN: "No EXEC VM could ask, no registry is declared, or its private authority is not.",
            Status.MANUAL: "The site declares that there will be no registry.",
        },
        remedy=(
            "Ask from an EXEC VM: curl -v https://<registry>/v2/ . Open the path, start the registry or renew its"
            " certificate, as that shows. If its certificate comes from an authority of your own, declare"
            " `registry.ca_file`."
        ),
        owner=Owner.DEPLOYER,
        valid_for=timedelta(days=30),
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[Registry] | Settled]:
        registry = site.registry
        if isinstance(registry, Absent):
            return (_absent(registry),)
        target = ServiceTarget.of(registry.endpoint, registry, site.vms_of(), site)
        return (target if target.vantages else _unasked(target),)

    def needs(self, target: ServiceTarget[Registry]) -> Needs:
        return (AskRegistry.of(target.service, target.vantages),)

    def judge(self, target: ServiceTarget[Registry], talk: RegistryTalk) -> Judgement:
        door = talk.door
        if isinstance(door, HttpRefusal):
            return self._refused(target, talk, door)
        if not talk.is_registry:
            return self._something_else(target, talk, door)
        registry, url = target.service, target.service.url
        evidence = tuple(_door_evidence(talk))
        observed = f"status {door.status} from {talk.spoken_from}, {_SCHEMES[talk.scheme]}"
        if talk.login is Login.REFUSED:
            return Judgement.weak(
                f"The registry at {target.name} answers, and refuses the account {registry.username}.",
                expected=_EXPECTED_DOOR,
                observed=f"{observed}; the account was refused: {talk.login_said}",
                evidence=evidence,
                lane=Lane.AUTH,
                reasoning="Its door is a registry's, so the registry is there; with this account no engine gets in.",
                remedy=(
                    "Try the account by hand, and correct it in the registry or in the site file:\n\n"
                    f"    docker login -u {registry.username} {target.name}"
                ),
                job=f"Give {registry.username} a password that the registry at {target.name} takes",
            )
        shown = door.certificate
        if shown is not None and shown.ends_soon:
            return Judgement.weak(
                f"The certificate of the registry at {target.name} ends on {shown.not_after:%Y-%m-%d}.",
                expected=_EXPECTED_DOOR,
                observed=f"{observed}; certificate until {shown.not_after:%Y-%m-%d}",
                evidence=evidence,
                lane=Lane.TLS,
                reasoning="It is valid today and ends within 30 days; after that no engine pulls from it.",
                remedy=f"Renew the certificate of {target.name} and see that it is served:\n\n    {_look_at(target)}",
                job=f"Renew the certificate of {target.name}",
                valid_until=shown.not_after,
            )
        return Judgement.met(
            f"The registry at {target.name} answers EXEC's VMs" + (_TAKEN if talk.login is Login.TAKEN else "."),
            expected=_EXPECTED_DOOR,
            observed=observed,
            evidence=evidence,
            reasoning=" ".join(_why_it_is(registry, talk, url)),
            valid_until=shown.not_after if shown is not None else None,
        )

    def _refused(self, target: ServiceTarget[Registry], talk: RegistryTalk, refusal: HttpRefusal) -> Judgement:
        registry, vm = target.service, talk.spoken_from
        evidence = tuple(_door_evidence(talk))
        trouble = refusal.tls.trouble if refusal.tls is not None else None
        if trouble is TlsTrouble.UNTRUSTED_ISSUER and registry.ca_file is None:
            return Judgement.unknown(
                f"The registry at {target.name} shows a certificate from an authority that is not known here.",
                Cause.UNDECLARED,
                f"its issuer is no public authority: {refusal.text}",
                enable=(
                    "Name the authority's certificate as `registry.ca_file` in the site file and run the audit again."
                ),
                lane=Lane.TLS,
                owner=Owner.DEPLOYER,
                evidence=evidence,
            )
        if trouble is not None and trouble.about_certificate:
            remedy, job = (
                f"Look at the certificate that is served, and renew or replace it:\n\n    {_look_at(target)}",
                f"Mend the certificate of {target.name}",
            )
        else:
            remedy, job = (
                (
                    f"Ask by hand from {vm}, then open the path or start the registry, as that shows:\n\n"
                    f"    curl -v {registry.url}/v2/"
                ),
                f"Make the registry at {target.name} answer EXEC's VMs",
            )
        return Judgement.missed(
            f"The registry at {target.name} {refusal.words}.",
            expected=_EXPECTED_DOOR,
            observed=f"from {vm}: {refusal.text or refusal.words}",
            evidence=evidence,
            lane=refusal.lane,
            reasoning=_nobody_reached(talk),
            remedy=remedy,
            job=job,
        )

    def _something_else(self, target: ServiceTarget[Registry], talk: RegistryTalk, door: HttpAnswer) -> Judgement:
        evidence = tuple(_door_evidence(talk))
        at = f"{target.service.url}/v2/"
        if door.status == 429 or door.status >= 500:
            return Judgement.unknown(
                f"The registry at {target.name} answers with an error of its own.",
                Cause.OVERLOAD if door.status in (429, 503) else Cause.UNSUPPORTED,
                f"status {door.status} for {at}",
                enable=f"See to the registry's health, then run the audit again:\n\n    curl -v {at}",
                lane=Lane.SERVICE,
                evidence=evidence,
            )
        moved = door.header("location")
        if 300 <= door.status < 400 and moved:
            return Judgement.unknown(
                f"What answers at {target.name} sends its clients elsewhere.",
                Cause.UNSUPPORTED,
                f"status {door.status} for {at}, to {moved[:200]}",
                enable="Declare the URL that the engines will really use as `registry.url`, and run the audit again.",
                lane=Lane.CONFIGURATION,
                owner=Owner.DEPLOYER,
                evidence=evidence,
            )
        return Judgement.missed(
            f"What answers at {target.name} is no container registry.",
            expected=_EXPECTED_DOOR,
            observed=f"status {door.status} for {at}",
            evidence=evidence,
            lane=Lane.CONFIGURATION,
            reasoning="A registry answers /v2/ with 200, or with 401 and a challenge; this answered with neither.",
            remedy=(
                "Correct `registry.url` in the site file: host and port alone, where /v2/ answers. A prefix belongs"
                f" to the images.\n\n    curl -v {at}"
            ),
            job=f"Correct the URL of the registry {target.name}",
        )


_EXPECTED_DOOR = "a registry that answers /v2/ over verified TLS and takes the declared account"
_TAKEN = " and takes the declared account."
_SCHEMES = {
    Scheme.OPEN: "open to everyone",
    Scheme.BASIC: "Basic challenge",
    Scheme.BEARER: "Bearer challenge",
    Scheme.OTHER: "no challenge of a registry",
}


def _why_it_is(registry: Registry, talk: RegistryTalk, url: str) -> Iterator[str]:
    yield "Only a registry opens /v2/ in this way."
    if talk.login is Login.TAKEN:
        yield "The account was tried as an engine's login tries it."
    elif talk.login is Login.UNTOLD:
        yield f"Whether it takes the account could not be told: {talk.login_said}."
    elif talk.scheme is Scheme.OPEN and registry.username is not None:
        yield "It lets anybody in, so the declared account proves nothing."
    if url.startswith("http://"):
        yield "It speaks plain HTTP, which every engine has to be told to accept."
    if talk.passed_by:
        yield f"It was asked from {talk.spoken_from}; {', '.join(talk.passed_by)} could not reach it."


def _nobody_reached(talk: RegistryTalk) -> str:
    others = "".join(f" {vm}: {why}." for vm, why in talk.passed_by.items())
    return f"This is what {talk.spoken_from} met, which was alive meanwhile.{others}"


def _look_at(target: ServiceTarget[Registry]) -> str:
    return (
        f"openssl s_client -connect {target.name} -servername {target.host} </dev/null"
        " | openssl x509 -noout -subject -issuer -dates -ext subjectAltName"
    )


def _door_evidence(talk: RegistryTalk) -> Iterator[Evidence]:
    door = talk.door
    if isinstance(door, HttpRefusal):
        yield _evidence("GET /v2/", f"{door.words} ({door.text})", door.level, talk)
        return
    yield _evidence("GET /v2/", f"status {door.status}, {_SCHEMES[talk.scheme]}, {door.how}", Level.PROTOCOL, talk)
    if door.certificate is not None:
        shown = door.certificate
        value = f"{shown.subject}, issued by {shown.issuer}, until {shown.not_after:%Y-%m-%d}"
        yield _evidence("Certificate", value, Level.PROTOCOL, talk)
    if talk.login is not Login.NONE:
        level = Level.AUTHENTICATED if talk.login is Login.TAKEN else Level.PROTOCOL
        yield _evidence("Login", f"{talk.login.value}: {talk.login_said}", level, talk)


def _evidence(label: str, value: str, level: Level, talk: RegistryTalk) -> Evidence:
    return Evidence(label=label, value=value, level=level, vantage=talk.spoken_from, of=talk)


# -- it holds the images ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageTarget(Target):
    """One image of the registry, as declared."""

    image: str
    registry: Registry
    vantages: tuple[str, ...]
    site: Site

    @staticmethod
    def of(image: str, registry: Registry, site: Site) -> ImageTarget:
        return ImageTarget(
            kind=TargetKind.SERVICE,
            name=image,
            host=registry.endpoint.host,
            port=registry.endpoint.port,
            image=image,
            registry=registry,
            vantages=tuple(vm.name for vm in site.vms_of() if vm.built),
            site=site,
        )


class RegistryImages(Check[ImageTarget, RegistryTalk, *tuple[System | Unread, ...]]):
    requirement = Requirement(
        id="registry.images",
        section=SECTION,
        text="The registry holds every image that the compose files will pull, for the VMs' architecture.",
        proof=(
            "From an EXEC VM each declared image's manifest is asked for with the declared account, in the way an"
            " engine asks before it pulls. An index must list the VMs' architecture; for a single image its"
            " configuration is read. Nothing is pulled."
        ),
        outcomes={
            Status.PASS: "The manifest is there under that tag or digest, for Linux on the VMs' architecture.",
            Status.WARN: "The manifest is there, but the registry does not show its architecture.",
            Status.FAIL: (
                "The registry does not have it, refuses the account the right to pull it, or has it for another"
                " architecture only."
            ),
            Status.UNKNOWN: (
                "The registry was not reached, answered with an error of its own, asks for an account that is not"
                " declared, or no image is declared; or no VM told its architecture."
            ),
            Status.MANUAL: "The site declares that there will be no registry.",
        },
        remedy=(
            "Push the image: docker push <registry>/<image>; or give the account the right to pull it. For another"
            " architecture push a build for linux/<architecture> under the same tag."
        ),
        owner=Owner.DEPLOYER,
        valid_for=timedelta(days=7),
    )

    def targets(self, site: Site) -> Sequence[ImageTarget | Settled]:
        registry = site.registry
        if isinstance(registry, Absent):
            return (_absent(registry),)
        if not registry.images:
            undeclared = Judgement.undeclared("registry.images", what="image to pull")
            return (Settled(target=Target(kind=TargetKind.SERVICE, name="registry.images"), judgement=undeclared),)
        images = [ImageTarget.of(image, registry, site) for image in registry.images]
        return tuple(image if image.vantages else _unasked(image) for image in images)

    def needs(self, target: ImageTarget) -> Needs:
        systems = (Attempt(ReadSystem(name)) for name in target.vantages)
        return (AskRegistry.of(target.registry, target.vantages), *systems)

    def judge(self, target: ImageTarget, talk: RegistryTalk, *systems: System | Unread) -> Judgement:
        image, registry = target.image, target.registry
        answer = talk.images.get(image)
        if answer is None or not talk.is_registry:
            return Judgement.blocked(
                f"registry.reachable[{registry.endpoint}]",
                f"Whether the registry holds {image} could not be learnt.",
                detail="no registry answered",
            )
        wanted = _architectures(systems)
        evidence = tuple(_image_evidence(answer, talk))
        pull = f"docker pull {registry.endpoint}/{image}"
        push = f"docker tag <image> {registry.endpoint}/{image}\n    docker push {registry.endpoint}/{image}"
        match answer.holding:
            case Holding.MISSING:
                return Judgement.missed(
                    f"The registry does not have {image}.",
                    expected=_expected_image(wanted),
                    observed=f"status 404{_said(answer)}",
                    evidence=evidence,
                    lane=Lane.CONFIGURATION,
                    reasoning="The registry took the question and answered that it knows no such manifest.",
                    remedy=f"Push the image, or correct its name and tag in `registry.images`:\n\n    {push}",
                    job=f"Push {image} to {registry.endpoint}",
                )
            case Holding.DENIED if registry.username is None:
                return Judgement.unknown(
                    f"The registry gives {image} to nobody without an account, and the site file declares none.",
                    Cause.UNDECLARED,
                    "`registry.username` is not in the site file",
                    enable="Declare `registry.username` and `registry.password` as the VMs' engines will use them, and"
                    " run the audit again.",
                    observed=f"status {answer.status}{_said(answer)}",
                    evidence=evidence,
                    reasoning="A refusal of strangers says nothing about what an account would be given.",
                    lane=Lane.AUTH,
                    owner=Owner.DEPLOYER,
                )
            case Holding.DENIED:
                account = registry.username
                refused = talk.login is Login.REFUSED
                return Judgement.missed(
                    f"The registry does not let {account} pull {image}.",
                    expected=_expected_image(wanted),
                    observed=f"status {answer.status}{_said(answer)}",
                    evidence=evidence,
                    lane=Lane.AUTH,
                    reasoning=(
                        "The registry refuses the account altogether, so it cannot pull this image either."
                        if refused
                        else (
                            "The registry answers that this account may not pull it; a registry that hides what it"
                            " holds answers so for images that are missing, too."
                        )
                    ),
                    remedy=(
                        f"Give {account} the right to pull, and see that the image is there:\n\n"
                        f"    docker login -u {account} {registry.endpoint}\n    {pull}"
                    ),
                    job=f"Let {account} pull from {registry.endpoint}",
                )
            case Holding.UNCLEAR:
                code = answer.reason.code if answer.reason is not None else Cause.UNSUPPORTED
                return Judgement.unknown(
                    f"Whether the registry holds {image} could not be learnt.",
                    Cause.OVERLOAD if answer.status == 429 else code,
                    answer.reason.detail if answer.reason is not None else f"status {answer.status}{_said(answer)}",
                    enable=f"See to the registry's health, then run the audit again:\n\n    {pull}",
                    lane=Lane.SERVICE,
                    evidence=evidence,
                )
            case Holding.HELD:
                if not any(isinstance(system, System) for system in systems) and answer.platforms:
                    return self._of_unknown_use(target, answer, wanted, evidence)
                return self._held(target, answer, wanted, evidence)

    def _of_unknown_use(
        self, target: ImageTarget, answer: ImageAnswer, wanted: tuple[str, ...], evidence: tuple[Evidence, ...]
    ) -> Judgement:
        """Held, and no VM told which architecture it needs: the usual one will do, any other decides nothing."""
        if all(f"linux/{one}" in answer.platforms for one in wanted):
            return self._held(target, answer, wanted, evidence)
        return Judgement.blocked(
            f"vm.os[{target.vantages[0]}]",
            f"The registry holds {target.image}, but for what the VMs need is not known.",
            detail="no VM told its architecture",
            expected=_expected_image(wanted),
            observed=", ".join(answer.platforms),
            evidence=evidence,
        )

    def _held(
        self, target: ImageTarget, answer: ImageAnswer, wanted: tuple[str, ...], evidence: tuple[Evidence, ...]
    ) -> Judgement:
        image, offered = target.image, ", ".join(answer.platforms)
        missing = [one for one in wanted if f"linux/{one}" not in answer.platforms]
        if not answer.platforms:
            return Judgement.weak(
                f"The registry holds {image}, and does not show for which architecture.",
                expected=_expected_image(wanted),
                observed=f"manifest {answer.digest or 'without a digest'}, no platform shown",
                evidence=evidence,
                lane=Lane.CONFIGURATION,
                reasoning="The manifest is there; neither it nor the image's configuration named a platform.",
                remedy=(
                    "See on a VM which platform it is:\n\n    docker manifest inspect -v"
                    f" {target.registry.endpoint}/{image}"
                ),
                job=f"See for which architecture {image} is built",
            )
        if missing:
            return Judgement.missed(
                f"The registry holds {image} for {offered} only.",
                expected=_expected_image(wanted),
                observed=offered,
                evidence=evidence,
                lane=Lane.CONFIGURATION,
                reasoning=(
                    f"The VMs run on {', '.join(wanted)}, and an engine pulls nothing that is not built for it."
                ),
                remedy=(
                    "Push a build for the VMs' architecture under the same tag:\n\n    docker buildx build"
                    " --platform "
                    + ",".join(f"linux/{one}" for one in wanted)
                    + f" -t {target.registry.endpoint}/{image} --push ."
                ),
                job=f"Push {image} for {', '.join(missing)}",
            )
        return Judgement.met(
            f"The registry holds {image}.",
            expected=_expected_image(wanted),
            observed=f"{offered}; {answer.digest}" if answer.digest else offered,
            evidence=evidence,
            reasoning="The registry gave out its manifest as it gives it to an engine that is about to pull.",
        )


def _expected_image(wanted: tuple[str, ...]) -> str:
    return f"the manifest, for {' and '.join(f'linux/{one}' for one in wanted)}"


def _said(answer: ImageAnswer) -> str:
    return f" ({answer.said})" if answer.said else ""


def _image_evidence(answer: ImageAnswer, talk: RegistryTalk) -> Iterator[Evidence]:
    trusted = talk.login is Login.TAKEN or talk.scheme is Scheme.OPEN
    level = Level.AUTHENTICATED if answer.holding is Holding.HELD and trusted else Level.PROTOCOL
    told = f"status {answer.status}{_said(answer)}" if answer.status is not None else "no answer"
    yield _evidence("Manifest", told, level if answer.status is not None else Level.DECLARED, talk)
    if answer.digest:
        yield _evidence("Digest", answer.digest, level, talk)
    if answer.platforms:
        yield _evidence("Platforms", ", ".join(answer.platforms), level, talk)


_DOCKER_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def _architectures(systems: Sequence[System | Unread]) -> tuple[str, ...]:
    """The VMs' architectures as Docker names them; amd64 where no VM told."""
    machines = [system.machine for system in systems if isinstance(system, System)]
    return tuple(dict.fromkeys(_DOCKER_NAMES.get(machine, machine) for machine in machines)) or ("amd64",)


# -- the VMs trust it --------------------------------------------------------------------------------------------


class RegistryTrustedByVms(Check[VmTarget, RegistryTrust]):
    requirement = Requirement(
        id="registry.trusted-by-vms",
        section=SECTION,
        text="The engine of every EXEC VM accepts the registry's certificate, so that it can pull.",
        proof=(
            "On each VM the registry's TLS is verified with the VM's own store of authorities, then with the"
            " authority in /etc/docker/certs.d for that registry; for plain HTTP the engine's insecure-registries are"
            " read."
        ),
        outcomes={
            Status.PASS: "The VM verified the certificate itself, or its engine is told to accept that registry.",
            Status.FAIL: (
                "Neither the VM's store nor the engine's folder holds the authority that signed the certificate, or"
                " plain HTTP is not allowed for that registry in the engine."
            ),
            Status.UNKNOWN: (
                "The VM could not be asked, has no tool that verifies TLS, cannot reach the registry, or hides the"
                " engine's settings."
            ),
            Status.MANUAL: "The site declares that there will be no registry.",
        },
        remedy=(
            "On <vm>: sudo install -D -m 0644 <ca.crt> /etc/docker/certs.d/<registry>/ca.crt . No restart is needed."
            ' For plain HTTP: "insecure-registries": ["<registry>"] in /etc/docker/daemon.json, then sudo systemctl'
            " restart docker."
        ),
        owner=Owner.DEPLOYER,
        valid_for=timedelta(days=30),
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        registry = site.registry
        if isinstance(registry, Absent):
            return (_absent(registry),)
        if not site.vms:
            return (Settled.without_vms(),)
        return tuple(VmTarget.of(vm, site) if vm.built else Settled.unbuilt(vm) for vm in site.vms)

    def needs(self, target: VmTarget) -> Needs:
        registry = _registry(target.site)
        return (ReadRegistryTrust(target.vm.name, registry.endpoint, _is_tls(registry)),)

    def judge(self, target: VmTarget, trust: RegistryTrust) -> Judgement:
        registry = _registry(target.site)
        evidence = tuple(_trust_evidence(trust, registry))
        if not _is_tls(registry):
            return self._plain(target, trust, registry, evidence)
        by_folder = next((path for path, one in trust.folder.items() if one.trust is Trust.TRUSTED), None)
        vm, at = target.vm.name, registry.endpoint
        if trust.store.trust is Trust.TRUSTED:
            how = f"with its own store of authorities ({trust.store.tool})"
        elif by_folder is not None:
            how = f"with {by_folder} ({trust.folder[by_folder].tool})"
        elif trust.insecure:
            how = "not at all, since its engine is told to accept this registry without verifying it"
        else:
            return self._untrusted(target, trust, registry, evidence)
        return Judgement.met(
            f"The engine of {vm} accepts the certificate of {at}.",
            expected=_EXPECTED_TRUST,
            observed=f"verified {how}",
            evidence=evidence,
            reasoning=(
                f"The VM itself verified what {at} serves, by the authorities that its engine uses. An engine reads"
                " the store when it starts: restart it if an authority was added since."
                if not trust.insecure
                else (
                    "The engine's insecure-registries name it. That works, and lets anyone in between pose as the"
                    " registry."
                )
            ),
        )

    def _untrusted(
        self, target: VmTarget, trust: RegistryTrust, registry: Registry, evidence: tuple[Evidence, ...]
    ) -> Judgement:
        vm, at, store = target.vm.name, registry.endpoint, trust.store
        unknown = f"Whether the engine of {vm} accepts the certificate of {at} could not be learnt."
        if store.trust is Trust.UNTRIED:
            return Judgement.unknown(
                unknown,
                Cause.TOOL_MISSING,
                "neither curl nor openssl nor python3 is there to verify a certificate with",
                enable=(
                    f"Install curl or openssl on {vm}, or attest the result of a pull:\n\n    docker pull {at}/<image>"
                ),
                evidence=evidence,
            )
        if store.trust is Trust.UNREACHED:
            return Judgement.blocked(
                f"connectivity.registry[{vm}->{at}]",
                unknown,
                detail=f"the VM came to no TLS with it: {store.said}",
                evidence=evidence,
            )
        if trust.hidden:
            return Judgement.unknown(
                unknown,
                Cause.PERMISSION,
                f"its own store does not trust it ({store.said}), and the engine's folder cannot be read",
                enable=(
                    f"Let the audit's user read /etc/docker/certs.d on {vm}:\n\n    sudo chmod a+rX /etc/docker"
                    " /etc/docker/certs.d"
                ),
                evidence=evidence,
            )
        told = _complaint(store, trust)
        if trust.insecure is None:
            return Judgement.unknown(
                unknown,
                Cause.PERMISSION,
                f"its authorities do not vouch for it ({told}), and the engine does not show the audit's user whether"
                " its insecure-registries name it",
                enable=f"Put the audit's user on {vm} into the group docker, or see for yourself:\n\n    docker info",
                evidence=evidence,
            )
        ca_file = registry.ca_file.name if registry.ca_file is not None else "<ca.crt>"
        folder = f"/etc/docker/certs.d/{_folder(registry)}"
        return Judgement.missed(
            f"The engine of {vm} does not accept the certificate of {at}.",
            expected=_EXPECTED_TRUST,
            observed=told,
            evidence=evidence,
            lane=Lane.TLS,
            reasoning=(
                f"The VM itself could not verify what {at} serves with the authorities that its engine uses: a pull"
                " ends with x509: certificate signed by unknown authority, or the like."
            ),
            remedy=(
                f"If the issuer is your own authority, put its certificate there on {vm}; no restart is needed:\n\n"
                f"    sudo install -D -m 0644 {ca_file} {folder}/ca.crt\n\n"
                "If the certificate has ended or is made out to another name, replace it at the registry."
            ),
            job=f"Make {vm} trust the certificate of {at}",
        )

    def _plain(
        self, target: VmTarget, trust: RegistryTrust, registry: Registry, evidence: tuple[Evidence, ...]
    ) -> Judgement:
        vm, at = target.vm.name, registry.endpoint
        if trust.insecure:
            return Judgement.met(
                f"The engine of {vm} accepts {at} over plain HTTP.",
                expected=_EXPECTED_PLAIN,
                observed="named under insecure-registries",
                evidence=evidence,
                reasoning="The engine's own settings name it. Anyone in between can pose as the registry.",
            )
        remedy = (
            f"Better give the registry TLS. Else name it in /etc/docker/daemon.json on {vm} and restart the"
            " engine:\n\n"
            f'    {{"insecure-registries": ["{at}"]}}\n    sudo systemctl restart docker'
        )
        if trust.insecure is None:
            return Judgement.unknown(
                f"Whether the engine of {vm} accepts {at} over plain HTTP could not be learnt.",
                Cause.PERMISSION,
                "the engine does not show its settings to the audit's user, and its file does not name the registry",
                enable=f"Put the audit's user on {vm} into the group docker, or see for yourself:\n\n    docker info",
                evidence=evidence,
            )
        return Judgement.missed(
            f"The engine of {vm} refuses plain HTTP, which is all that {at} speaks.",
            expected=_EXPECTED_PLAIN,
            observed="not among the engine's insecure-registries",
            evidence=evidence,
            lane=Lane.CONFIGURATION,
            reasoning="An engine speaks plain HTTP with the registries alone that its settings name.",
            remedy=remedy,
            job=f"Give {at} TLS, or have {vm} accept it without",
        )


_EXPECTED_TRUST = "the VM verifies the registry's certificate with the authorities that its engine uses"
_EXPECTED_PLAIN = "the engine's insecure-registries name the registry, which has no TLS"


def _complaint(store: Verification, trust: RegistryTrust) -> str:
    files = "".join(f"; with {path}: {one.said}" for path, one in trust.folder.items())
    return f"its own store: {store.said}{files or '; nothing in the folder of its engine'}"


def _trust_evidence(trust: RegistryTrust, registry: Registry) -> Iterator[Evidence]:
    if _is_tls(registry):
        store = trust.store
        level = Level.PROTOCOL if store.trust in (Trust.TRUSTED, Trust.UNTRUSTED) else Level.DECLARED
        value = f"{store.trust.value}: {store.said}" if store.said else store.trust.value
        yield Evidence(label="The VM's own store", value=value, level=level, method=store.tool or None, of=trust)
        for path, one in trust.folder.items():
            value = f"{one.trust.value}: {one.said}" if one.said else one.trust.value
            yield Evidence(label=path, value=value, level=Level.PROTOCOL, method=one.tool or None, of=trust)
    if trust.insecure or (trust.insecure is not None and not _is_tls(registry)):
        value = "named" if trust.insecure else "not named"
        yield Evidence(label="insecure-registries", value=value, level=Level.PROTOCOL, method="docker info", of=trust)


def _folder(registry: Registry) -> str:
    at = str(registry.endpoint)
    return at.rpartition(":")[0] if registry.endpoint.port == 443 else at


def _is_tls(registry: Registry) -> bool:
    return urlsplit(registry.url).scheme == "https"


# -- targets -----------------------------------------------------------------------------------------------------


def _registry(site: Site) -> Registry:
    assert isinstance(site.registry, Registry)
    return site.registry


def _absent(why: Absent) -> Settled:
    return Settled.absent("registry", why, what=_WHAT, expected=_EXPECTED, remedy=_INSTEAD)


def _unasked(target: Target) -> Settled:
    return Settled(target=target, judgement=Judgement.undeclared("vms", what="VM that is built and could ask"))
