// SPDX-License-Identifier: Apache-2.0
// The official cases, once for every client library of JavaScript: each gives an object `api` with
// the functions that its driver has, and codes as numbers.
import assert from "node:assert/strict";

const REQUEST_SIZES = [27182, 8, 1828, 45904];
const RESPONSE_SIZES = [31415, 9, 2653, 58979];
const SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n";
const CODE = { CANCELLED: 1, UNKNOWN: 2, INVALID_ARGUMENT: 3, DEADLINE_EXCEEDED: 4, UNIMPLEMENTED: 12 };
const ECHO_TEXT = "test_initial_metadata_value";
const ECHO_BYTES = Buffer.from([0xab, 0xab, 0xab]);

const payload = (size) => ({ body: Buffer.alloc(size) });
const outputRequest = (i) => ({
  responseParameters: [{ size: RESPONSE_SIZES[i] }],
  payload: payload(REQUEST_SIZES[i]),
});

async function expectCode(promise, code, message) {
  const error = await promise.then(
    () => assert.fail(`OK instead of ${code}`),
    (e) => e,
  );
  assert.equal(error.code, code, String(error));
  if (message !== undefined) {
    assert.equal(error.rawMessage ?? error.details, message);
  }
}

async function sizes(responses) {
  const found = [];
  for await (const response of responses) {
    found.push(response.payload.body.length);
  }
  return found;
}

/** What a stream sends, when it is told to. */
export class Requests {
  constructor() {
    this.waiting = [];
    this.wake = () => {};
    this.isOver = false;
  }
  send(request) {
    this.waiting.push(request);
    this.wake();
  }
  end() {
    this.isOver = true;
    this.wake();
  }
  async *[Symbol.asyncIterator]() {
    for (;;) {
      if (this.waiting.length > 0) {
        yield this.waiting.shift();
      } else if (this.isOver) {
        return;
      } else {
        await new Promise((resolve) => (this.wake = resolve));
      }
    }
  }
}

async function large(api, request = {}) {
  const response = await api.unary("UnaryCall", {
    responseSize: 314159,
    payload: payload(271828),
    ...request,
  });
  assert.equal(response.payload.body.length, 314159);
}

function statusRequest(message) {
  return { responseStatus: { code: CODE.UNKNOWN, message } };
}

async function status(api, message) {
  await expectCode(api.unary("UnaryCall", statusRequest(message)), CODE.UNKNOWN, message);
  const requests = new Requests();
  requests.send(statusRequest(message));
  requests.end();
  await expectCode(sizes(api.duplex("FullDuplexCall", requests)), CODE.UNKNOWN, message);
}

export const cases = {
  async empty_unary(api) {
    await api.unary("EmptyCall", {});
  },
  async large_unary(api) {
    await large(api);
  },
  async server_compressed_unary(api) {
    await large(api, { responseCompressed: { value: true } });
    await large(api, { responseCompressed: { value: false } });
  },
  async client_compressed_unary(api) {
    await expectCode(large(api, { expectCompressed: { value: true } }), CODE.INVALID_ARGUMENT);
    await large(api.compressed(), { expectCompressed: { value: true } });
    await large(api, { expectCompressed: { value: false } });
  },
  async client_streaming(api) {
    const requests = new Requests();
    REQUEST_SIZES.forEach((size) => requests.send({ payload: payload(size) }));
    requests.end();
    const response = await api.clientStream("StreamingInputCall", requests);
    assert.equal(response.aggregatedPayloadSize, 74922);
  },
  async server_streaming(api) {
    const request = { responseParameters: RESPONSE_SIZES.map((size) => ({ size })) };
    assert.deepEqual(await sizes(api.serverStream("StreamingOutputCall", request)), RESPONSE_SIZES);
  },
  async server_compressed_streaming(api) {
    const request = {
      responseParameters: RESPONSE_SIZES.map((size, i) => ({
        size,
        compressed: { value: i % 2 === 0 },
      })),
    };
    assert.deepEqual(await sizes(api.serverStream("StreamingOutputCall", request)), RESPONSE_SIZES);
  },
  async ping_pong(api) {
    const requests = new Requests();
    const responses = api.duplex("FullDuplexCall", requests)[Symbol.asyncIterator]();
    for (let i = 0; i < RESPONSE_SIZES.length; i++) {
      requests.send(outputRequest(i));
      const { value } = await responses.next();
      assert.equal(value.payload.body.length, RESPONSE_SIZES[i]);
    }
    requests.end();
    assert.equal((await responses.next()).done, true);
  },
  async empty_stream(api) {
    const requests = new Requests();
    requests.end();
    assert.deepEqual(await sizes(api.duplex("FullDuplexCall", requests)), []);
  },
  async half_duplex(api) {
    const requests = new Requests();
    RESPONSE_SIZES.forEach((_, i) => requests.send(outputRequest(i)));
    requests.end();
    assert.deepEqual(await sizes(api.duplex("HalfDuplexCall", requests)), RESPONSE_SIZES);
  },
  async cancel_after_begin(api) {
    const stop = new AbortController();
    const requests = new Requests();
    const call = api.clientStream("StreamingInputCall", requests, { signal: stop.signal });
    stop.abort();
    await expectCode(call, CODE.CANCELLED);
    requests.end();
  },
  async cancel_after_first_response(api) {
    const stop = new AbortController();
    const requests = new Requests();
    const responses = api
      .duplex("FullDuplexCall", requests, { signal: stop.signal })
      [Symbol.asyncIterator]();
    requests.send(outputRequest(0));
    await responses.next();
    stop.abort();
    await expectCode(responses.next(), CODE.CANCELLED);
    requests.end();
  },
  async timeout_on_sleeping_server(api) {
    const requests = new Requests();
    requests.send({ payload: payload(27182) });
    await expectCode(
      sizes(api.duplex("FullDuplexCall", requests, { timeoutMs: 1 })),
      CODE.DEADLINE_EXCEEDED,
    );
    requests.end();
  },
  async custom_metadata(api) {
    const seen = await api.echo({ responseSize: 1 }, ECHO_TEXT, ECHO_BYTES);
    assert.equal(seen.initial, ECHO_TEXT);
    assert.deepEqual(Buffer.from(seen.trailing), ECHO_BYTES);
  },
  async status_code_and_message(api) {
    await status(api, "test status message");
  },
  async special_status_message(api) {
    await status(api, SPECIAL);
  },
  async unimplemented_method(api) {
    await expectCode(api.unary("UnimplementedCall", {}), CODE.UNIMPLEMENTED);
  },
  async unimplemented_service(api) {
    await expectCode(api.unimplementedService(), CODE.UNIMPLEMENTED);
  },
};

/** Play them all and say "ok NAME" for each. */
export async function play(api) {
  for (const [name, run] of Object.entries(cases)) {
    try {
      await run(api);
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`FAILED ${name}: ${error.stack}`);
      process.exitCode = 1;
    }
  }
  api.close();
}
