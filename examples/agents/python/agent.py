"""An agent that needs nothing but Python: counts the words of the conversation, and streams what it found.

SIGNING_SECRET is what FleetLM has shown when the endpoint was made; PORT is 4102 by default.
"""

import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["SIGNING_SECRET"].removeprefix("whsec_"))
MAX_AGE_SECONDS = 300  # as Standard Webhooks recommend: an old call may be a stolen one
MAX_BODY_BYTES = 2 << 20  # history has 1 MiB at most


def is_signed(headers, body):
    """Whether FleetLM has sent this body, and now. During a rotation there are two signatures."""
    call_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > MAX_AGE_SECONDS:
        return False
    signed = f"{call_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split()
    # No `any` over `==`: how long a comparison takes must not tell how much of a signature is right.
    return any([hmac.compare_digest(expected.encode(), signature.encode()) for signature in given])


def answer(data):
    """Chunks of the AI SDK's UI message stream, one after the other."""
    texts = [str(message["content"].get("text", "")) for message in data["messages"]]
    count = sum(len(text.split()) for text in texts)
    words = f"I have read {len(texts)} messages with {count} words.".split(" ")
    yield {"type": "start"}
    yield {"type": "text-start", "id": "text"}
    for index, word in enumerate(words):
        yield {"type": "text-delta", "id": "text", "delta": word if index == 0 else f" {word}"}
        time.sleep(0.05)
    yield {"type": "text-end", "id": "text"}
    yield {"type": "finish"}


class Agent(BaseHTTPRequestHandler):
    def do_POST(self):
        size = int(self.headers.get("content-length", 0))
        if size > MAX_BODY_BYTES:
            self.send_error(413)
            return
        body = self.rfile.read(size)
        if not is_signed(self.headers, body):
            self.send_error(401)
            return
        data = json.loads(body)["data"]
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.end_headers()
        try:
            for chunk in answer(data):
                self.wfile.write(json.dumps(chunk).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # somebody has stopped it

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 4102))), Agent)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
