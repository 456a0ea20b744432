# The sidecar and the command line, without a package manager, as one layer.
#
# BASE: a Debian-based image with Python 3.11 or newer and pip, for amd64 or arm64; name it by digest if builds must be
# reproducible. Optional secrets: pip.conf is pip's configuration, ca.crt a CA bundle that it may name.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
# The date of the files in our wheel: 1980, so that each build produces the same wheel.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_ONLY_BINARY=:all: \
    SOURCE_DATE_EPOCH=315532800
WORKDIR /src
COPY requirements requirements
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.crt \
    python3 -m venv --without-pip /opt/patchlang \
 && python3 -m venv --without-pip /opt/build \
 && python3 -m pip --python /opt/patchlang/bin/python3 install --require-hashes -r requirements/runtime.txt \
 && python3 -m pip --python /opt/build/bin/python3 install --require-hashes -r requirements/build.txt
COPY LICENSE README.md pyproject.toml ./
COPY man man
COPY patchlang patchlang
COPY shim shim
RUN python3 -m pip --python /opt/build/bin/python3 wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && python3 -m pip --python /opt/patchlang/bin/python3 install --no-deps --no-index --no-compile /dist/*.whl

FROM ${BASE} AS root
ARG VERSION=0.1.0
COPY --from=build /opt/patchlang /opt/patchlang
COPY tools/sbom.py tools/slim.py /tmp/
# 1. The commands are on the path; hooks find python3 where KubeVirt's own sidecar image has it.
# 2. No package manager, with dpkg itself removed last; no tools to build, log in, or manage accounts, no perl, and no
#    set-user-id programs. Maintainer scripts for removal only matter on a system that is maintained later, so they are
#    deleted first. Debian's list of packages stays and says what is left; so do its copyright files.
# 3. No rare character sets for iconv, and only what is imported of our packages, without symbols (tools/slim.py).
# 4. Bytecode, also of the standard library: bases ship without it, and compiling at each start costs more than the start
#    itself. Unchecked bytecode stays valid whatever the file times; after editing a source file here, compile it.
# 5. Both commands start, and the sidecar has everything that it imports. The bill of materials lists what is there.
RUN ln -sf /opt/patchlang/bin/patchlang /opt/patchlang/bin/sidecar-shim /usr/local/bin/ \
 && { test -e /usr/bin/python3 || ln -s "$(command -v python3)" /usr/bin/python3; } \
 && stdlib="$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && find /var/lib/dpkg/info -type f ! -name '*.list' ! -name '*.md5sums' ! -name format -delete \
 && for package in $(dpkg-query --show --showformat '${Package}\n'); do case $package in \
      apt | apt-utils | libapt-pkg* | debian-archive-keyring | gpgv | libhogweed* | libnettle* | libseccomp* | \
      sqv | debconf* | init-system-helpers | libdebconfclient* | libpam-* | libsemanage* | libsepol* | login* | \
      passwd | perl-base | python3-packaging* | python3-pip* | python3-setuptools* | python3-wheel*) dpkg --purge --force-all "$package" ;; \
    esac; done \
 && dpkg --purge --force-all dpkg 2>/dev/null \
 && rm -rf "$stdlib"/config-* "$stdlib"/ensurepip "$stdlib"/idlelib "$stdlib"/lib2to3 "$stdlib"/pydoc_data \
      "$stdlib"/site-packages/* "$stdlib"/test "$stdlib"/tkinter "$stdlib"/turtledemo /usr/share/python-wheels \
      /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/include /etc/apt /etc/dpkg /etc/pam* /etc/security \
      /usr/bin/c_rehash /usr/sbin/dpkg* /usr/sbin/update-passwd /usr/share/bash-completion /usr/share/lintian /usr/share/pam* /usr/share/perl5 /var/lib/apt \
      /var/lib/dpkg/*-old /var/cache/* /var/log/* /usr/share/info /usr/share/locale /usr/share/man /root/.[!.]* \
 && find /usr/lib/*/gconv -name '*.so' ! -name 'ISO8859-1.so' ! -name 'ISO8859-15.so' ! -name 'CP1252.so' \
      ! -name 'UTF-*.so' -delete \
 && /opt/patchlang/bin/python3 /tmp/slim.py /opt/patchlang \
 && find /usr/share/doc -type f ! -name copyright -delete \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && find /opt/patchlang "$stdlib" /usr/lib/python3* -name __pycache__ -prune -exec rm -rf {} + \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/patchlang/lib "$stdlib" \
 && /opt/patchlang/bin/python3 -c 'import shim.server' \
 && sidecar-shim --help >/dev/null && patchlang --help >/dev/null \
 && mkdir -p /usr/share/sbom \
 && /opt/patchlang/bin/python3 /tmp/sbom.py patchlang "$VERSION" >/usr/share/sbom/patchlang.cdx.json \
 && rm -rf /tmp/*

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="patchlang" \
      org.opencontainers.image.description="KubeVirt hook sidecar that applies declared patches" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Copy the whole stage on purpose: this keeps what it removed out of every layer.
# hadolint ignore=DL3067
COPY --from=root / /
# No LANG: hook executables get this environment unchanged, and in KubeVirt's own image, sed counts bytes.
# A single malloc arena halves the peak at 1 MB payloads. Returning large blocks to the system immediately (glibc starts
# at 128 KiB, but raises that if left alone) reduces it by another sixth. A block in a thread's cache is free but counts as
# used, and would keep everything below it from being returned. The root may be read-only.
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    MALLOC_ARENA_MAX=1 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    GLIBC_TUNABLES=glibc.malloc.tcache_count=0 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /
USER 107:107
ENTRYPOINT ["/opt/patchlang/bin/sidecar-shim"]
