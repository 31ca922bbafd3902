"""Container registry: it is there, it holds the images, and the VMs' engines trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from readiness.check import Settled, Unbuilt
from readiness.model import Owner, Requirement, Status, Target, TargetKind
from readiness.site import Absent, Registry, ServiceTarget, Site, Vm, VmTarget

SECTION = "Container Registry"
_WHAT = "container registry"
_EXPECTED = "a registry that every EXEC VM can pull the images from"
_INSTEAD = (
    "Say in an attestation how EXEC's images reach the VMs without a registry, or declare `registry` in the site file."
)


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


class RegistryReachable(Unbuilt):
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
            return (Settled.absent("registry", registry, what=_WHAT, expected=_EXPECTED, remedy=_INSTEAD),)
        return (ServiceTarget.of(registry.endpoint, registry, site.vms_of(), site),)


class RegistryImages(Unbuilt):
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
                "The registry was not reached, answered with an error of its own, or no image is declared."
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
            return (Settled.absent("registry", registry, what=_WHAT, expected=_EXPECTED, remedy=_INSTEAD),)
        if not registry.images:
            return (Settled.absent("registry.images", Absent.UNDECLARED, what="image to pull", expected="", remedy=""),)
        return tuple(ImageTarget.of(image, registry, site) for image in registry.images)


class RegistryTrustedByVms(Unbuilt):
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
            return (Settled.absent("registry", registry, what=_WHAT, expected=_EXPECTED, remedy=_INSTEAD),)
        if not site.vms:
            return (Settled.without_vms(),)
        return tuple(_of(vm, site) for vm in site.vms)


def _of(vm: Vm, site: Site) -> VmTarget | Settled:
    return VmTarget.of(vm, site) if vm.built else Settled.unbuilt(vm)
