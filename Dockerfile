# The service without torch: docker build -t seqcap . && docker run --read-only --tmpfs /tmp -p 8000:8000 seqcap
FROM python:3.11-slim AS build
COPY . /source
RUN python -m venv /opt/seqcap \
 && /opt/seqcap/bin/pip install --no-cache-dir --no-compile -c /source/constraints.txt \
      '/source[serve,formats]' \
 && /opt/seqcap/bin/pip uninstall --yes pip \
 && find /opt/seqcap -name __pycache__ -prune -exec rm -r {} +

FROM python:3.11-slim
COPY --from=build /opt/seqcap /opt/seqcap
ENV PATH=/opt/seqcap/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD \
  ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["seqcap"]
CMD ["serve", "--host", "0.0.0.0"]
