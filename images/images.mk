# What a cluster needs. Images are made for both architectures, whatever ARCH is.

.PHONY: images image-roots image-emulator setup-images e2e setup-e2e

IMAGE_NAMES = init sidecar agent webhook
IMAGE_ARCHES = amd64 arm64
IMAGE_TAG ?= $(VERSION)
# The version of what is released: that of the tag, if this is what was tagged, else with the revision.
RELEASE := $(or $(shell git describe --tags --exact-match --match 'v$(VERSION)' --dirty 2>/dev/null | sed -n 's/^v\([0-9.]*\)$$/\1/p'),$(VERSION)-g$(REVISION))
IMAGE_ARCHIVES = $(IMAGE_NAMES:%=build/images/pod-identity-%.oci.tar)

SETUP_IMAGE_PACKAGES = umoci skopeo ca-certificates util-linux $(SETUP_CROSS_PACKAGES_$(if $(filter amd64,$(NATIVE_ARCH)),arm64,amd64))
SETUP_E2E_PACKAGES = python3 python3-venv iproute2 podman runc openssl util-linux procps

##@ Images and releases
setup-images: ## install what `make images` needs (apt)
	@sh $(DEPS)/setup.sh $(SETUP_BUILD_PACKAGES) $(SETUP_IMAGE_PACKAGES)

# The file trees, build/images/root/IMAGE/ARCH; for images/Containerfile, too.
image-roots: ## the file trees of the images, build/images/root/IMAGE/ARCH, for images/Containerfile, too
	@for arch in $(IMAGE_ARCHES); do $(MAKE) --no-print-directory ARCH=$$arch all || exit 1; done
	@mkdir -p build/images/root
	@sh images/roots.sh images/roots.lock >build/images/ca-certificates.crt
	@for image in $(IMAGE_NAMES); do for arch in $(IMAGE_ARCHES); do \
		sh images/root.sh $$image build/$$arch build/src build/images/ca-certificates.crt build/images/root/$$image/$$arch || exit 1; \
	done; done

images: image-roots ## OCI images of init, sidecar, agent and webhook for amd64 and arm64, in build/images
	@$(call need,umoci,umoci)
	@$(call need,skopeo,skopeo)
	@for image in $(IMAGE_NAMES); do \
		sh images/build.sh $$image '$(RELEASE)' '$(IMAGE_TAG)' '$(REVISION)' build/images/root/$$image \
			build/images/pod-identity-$$image.oci.tar $(IMAGE_ARCHES) || exit 1; \
		echo "build/images/pod-identity-$$image.oci.tar: pod-identity-$$image:$(IMAGE_TAG)@$$(cat build/images/pod-identity-$$image.digest)"; \
	done

# Of this machine's architecture: Python is Debian's, not ours.
image-emulator: ## the emulator of agent, STS and EKS Auth as an OCI image, for CI and kind clusters of others, in build/images
	@$(call need,umoci,umoci)
	@sh images/emulator.sh build/images/emulator
	@sh images/emulator-image.sh build/images/emulator '$(RELEASE)' '$(IMAGE_TAG)' '$(REVISION)' $(NATIVE_ARCH) \
		build/images/pod-identity-emulator.oci.tar
	@echo 'build/images/pod-identity-emulator.oci.tar: pod-identity-emulator:$(IMAGE_TAG)'

##@ Test
# Real images, manifests and containers; PYTEST_ARGS as for `make integration`. What this machine has no tool for, or does not
# allow, is skipped, and said. make setup-e2e installs the tools.
e2e: $(PROGRAMS) ## images, manifests, policies, real containers and a real Kubernetes of one node
	@sh tests/e2e/run.sh build/test $(PYTEST_ARGS)

setup-e2e: ## install what `make e2e` needs; Go, a Kubernetes (built in ten minutes, once) and others into ~/.cache/pod-identity/tools
	@sh $(DEPS)/setup.sh $(SETUP_BUILD_PACKAGES) $(SETUP_IMAGE_PACKAGES) $(SETUP_E2E_PACKAGES)
	@sh tests/tools.sh go kubectl docker-registry hclfmt helm actionlint minio cluster apiserver
