# The sidecar and the command line, without a package manager, as one layer.
#
# BASE: any glibc image with Python 3.11 or newer and pip, amd64 or arm64; name it by digest where builds must repeat.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_ONLY_BINARY=:all:
WORKDIR /src
COPY requirements requirements
RUN python3 -m venv --without-pip /opt/patchlang \
 && python3 -m venv --without-pip /opt/build \
 && python3 -m pip --python /opt/patchlang/bin/python3 install --require-hashes -r requirements/runtime.txt \
 && python3 -m pip --python /opt/build/bin/python3 install --require-hashes -r requirements/build.txt
COPY LICENSE README.md pyproject.toml ./
COPY patchlang patchlang
COPY shim shim
RUN python3 -m pip --python /opt/build/bin/python3 wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && python3 -m pip --python /opt/patchlang/bin/python3 install --no-deps --no-index --no-compile /dist/*.whl

FROM ${BASE} AS root
COPY --from=build /opt/patchlang /opt/patchlang
# 1. The commands are on the path; hooks find python3 where KubeVirt's own sidecar image has it.
# 2. No package manager, nothing to build with, no set-user-id programs, no build tree that a wheel carries along. The
#    list of Debian packages (/var/lib/dpkg/status) stays for scanners.
# 3. Bytecode, the standard library's too: bases ship without, and compiling at each start costs more than starting.
#    The unchecked kind stays good whatever the file times; who edits a source here must compile it.
# 4. Both commands start, and the sidecar has all it imports.
RUN ln -sf /opt/patchlang/bin/patchlang /opt/patchlang/bin/sidecar-shim /usr/local/bin/ \
 && { test -e /usr/bin/python3 || ln -s "$(command -v python3)" /usr/bin/python3; } \
 && stdlib="$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && rm -rf "$stdlib"/config-* "$stdlib"/ensurepip "$stdlib"/idlelib "$stdlib"/lib2to3 "$stdlib"/pydoc_data \
      "$stdlib"/site-packages/* "$stdlib"/test "$stdlib"/tkinter "$stdlib"/turtledemo \
      /opt/patchlang/lib/python3*/site-packages/bazel-project /usr/lib/python3/dist-packages/pip* \
      /usr/share/python-wheels /usr/bin/pip* /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/include \
 && rm -rf /usr/bin/apt* /usr/bin/dpkg* /usr/sbin/dpkg* /usr/lib/apt /usr/lib/dpkg /etc/apt /var/lib/apt \
      /var/cache/* /var/log/* /usr/share/doc /usr/share/info /usr/share/locale /usr/share/man /root/.[!.]* /tmp/* \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && find /opt/patchlang "$stdlib" -name __pycache__ -prune -exec rm -rf {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/patchlang/lib "$stdlib" \
 && /opt/patchlang/bin/python3 -c 'import shim.server' \
 && sidecar-shim --help >/dev/null && patchlang --help >/dev/null

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="patchlang" \
      org.opencontainers.image.description="KubeVirt hook sidecar that applies declared patches" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The whole of that stage on purpose: what it removed stays out of every layer.
# hadolint ignore=DL3067
COPY --from=root / /
# One malloc arena halves the peak at 1 MB payloads, and large blocks that go back to the system at once (128 KiB is where
# glibc begins; left alone, it raises that) take a sixth off it; the root may be read-only.
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    MALLOC_ARENA_MAX=1 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /
USER 107:107
ENTRYPOINT ["/opt/patchlang/bin/sidecar-shim"]
