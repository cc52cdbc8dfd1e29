# The images of `make images`, for whoever has docker or podman and nothing else:
#
#   docker build --target agent   -t registry.example.com/pod-identity-agent:0.1.0 .
#   docker build --target init    -t registry.example.com/pod-identity-init:0.1.0 .
#   docker build --target sidecar -t registry.example.com/pod-identity-sidecar:0.1.0 .
#   docker build --target webhook -t registry.example.com/pod-identity-webhook:0.1.0 .
#
# For the machine's own architecture, or by buildx for both: --platform=linux/amd64,linux/arm64; the compiler is a cross compiler then,
# nothing is emulated. Where BASE is the Debian on which `make images` runs, the programs are the same, byte for byte.
ARG BASE=docker.io/library/debian:trixie
FROM --platform=$BUILDPLATFORM $BASE AS build
ARG TARGETARCH
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends make git ca-certificates util-linux
WORKDIR /src
COPY . .
RUN git config --global --add safe.directory /src && make ARCH=$TARGETARCH setup && \
	make -s -j"$(nproc)" IMAGE_ARCHES=$TARGETARCH image-roots && \
	mkdir /roots && for image in init sidecar agent webhook; do mv build/images/root/$image/$TARGETARCH /roots/$image; done

FROM scratch AS init
COPY --from=build /roots/init/ /
USER 65532:65532
ENTRYPOINT ["/pod-identity-init"]

# It begins as root, binds its ports, and becomes user 65532.
FROM scratch AS agent
COPY --from=build /roots/agent/ /
USER 0:0
ENTRYPOINT ["/pod-identity-agent"]

FROM scratch AS webhook
COPY --from=build /roots/webhook/ /
USER 65532:65532
ENTRYPOINT ["/pod-identity-webhook"]

# The last is what `docker build .` makes.
FROM scratch AS sidecar
COPY --from=build /roots/sidecar/ /
USER 65532:65532
ENTRYPOINT ["/pod-identity-sidecar"]
