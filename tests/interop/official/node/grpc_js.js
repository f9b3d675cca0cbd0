// SPDX-License-Identifier: Apache-2.0
// grpc_js.js client PORT [CA] | server [CERT KEY]: @grpc/grpc-js in both roles.
import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import { play } from "./cases.js";

const definition = loader.loadSync("grpc/testing/test.proto", {
  includeDirs: ["/usr/share/grpc-proto"],
});
const { TestService, UnimplementedService } = grpc.loadPackageDefinition(definition).grpc.testing;
const INITIAL = "x-grpc-test-echo-initial";
const TRAILING = "x-grpc-test-echo-trailing-bin";

function makeApi(target, credentials, options = {}) {
  const stub = new TestService(target, credentials, options);
  const unimplemented = new UnimplementedService(target, credentials);
  const callOptions = ({ timeoutMs } = {}) =>
    timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
  const abortable = (call, { signal } = {}) => {
    signal?.addEventListener("abort", () => call.cancel());
    return call;
  };
  const feed = async (call, requests) => {
    for await (const request of requests) {
      call.write(request);
    }
    call.end();
  };
  const api = {
    unary: (method, request) =>
      new Promise((resolve, reject) =>
        stub[method](request, (error, response) => (error ? reject(error) : resolve(response))),
      ),
    clientStream: (method, requests, options) =>
      new Promise((resolve, reject) => {
        const call = stub[method]((error, response) => (error ? reject(error) : resolve(response)));
        feed(abortable(call, options), requests);
      }),
    serverStream: (method, request) => stub[method](request),
    duplex: (method, requests, options) => {
      const call = abortable(stub[method](callOptions(options)), options);
      feed(call, requests);
      return call;
    },
    compressed: () => makeApi(target, credentials, { "grpc.default_compression_algorithm": 2 }),
    unimplementedService: () =>
      new Promise((resolve, reject) =>
        unimplemented.UnimplementedCall({}, (error) => (error ? reject(error) : resolve())),
      ),
    echo: (request, text, bytes) =>
      new Promise((resolve, reject) => {
        const metadata = new grpc.Metadata();
        const seen = {};
        metadata.set(INITIAL, text);
        metadata.set(TRAILING, bytes);
        const call = stub.UnaryCall(request, metadata, (error) => error && reject(error));
        call.on("metadata", (headers) => (seen.initial = headers.get(INITIAL)[0]));
        call.on("status", (status) => {
          seen.trailing = status.metadata.get(TRAILING)[0];
          resolve(seen);
        });
      }),
    close: () => {
      stub.close();
      unimplemented.close();
    },
  };
  return api;
}

// ---- server ----

const response = (size = 0) => ({ payload: { body: Buffer.alloc(size) } });

function echoMetadata(call) {
  const trailers = new grpc.Metadata();
  const initial = call.metadata.get(INITIAL);
  if (initial.length > 0) {
    const headers = new grpc.Metadata();
    headers.set(INITIAL, initial[0]);
    call.sendMetadata(headers);
  }
  call.metadata.get(TRAILING).forEach((value) => trailers.add(TRAILING, value));
  return trailers;
}

const failure = ({ responseStatus }, metadata) =>
  responseStatus?.code
    ? { code: responseStatus.code, details: responseStatus.message, metadata }
    : null;

function sendAll(call, request) {
  request.responseParameters.forEach(({ size }) => call.write(response(size)));
}

const handlers = {
  EmptyCall: (call, done) => done(null, {}),
  UnaryCall: (call, done) => {
    const trailers = echoMetadata(call);
    done(failure(call.request, trailers), response(call.request.responseSize), trailers);
  },
  StreamingInputCall: (call, done) => {
    let aggregatedPayloadSize = 0;
    call.on("data", ({ payload }) => (aggregatedPayloadSize += payload.body.length));
    call.on("end", () => done(null, { aggregatedPayloadSize }));
  },
  StreamingOutputCall: (call) => {
    sendAll(call, call.request);
    call.end();
  },
  FullDuplexCall: (call) => {
    const trailers = echoMetadata(call);
    call.on("data", (request) => {
      const error = failure(request, trailers);
      if (error) {
        call.emit("error", error);
      } else {
        sendAll(call, request);
      }
    });
    call.on("end", () => call.end(trailers));
  },
  HalfDuplexCall: (call) => {
    const requests = [];
    call.on("data", (request) => requests.push(request));
    call.on("end", () => {
      requests.forEach((request) => sendAll(call, request));
      call.end();
    });
  },
};

function serve(credentials) {
  const server = new grpc.Server();
  server.addService(TestService.service, handlers);
  server.bindAsync("127.0.0.1:0", credentials, (error, port) => {
    if (error) {
      throw error;
    }
    console.log(`listening on 127.0.0.1:${port}`);
  });
}

const [role, ...rest] = process.argv.slice(2);
if (role === "client") {
  const [port, ca] = rest;
  const credentials = ca
    ? grpc.credentials.createSsl(readFileSync(ca))
    : grpc.credentials.createInsecure();
  await play(makeApi(`localhost:${port}`, credentials));
} else {
  const [cert, key] = rest;
  serve(
    cert
      ? grpc.ServerCredentials.createSsl(null, [
          { cert_chain: readFileSync(cert), private_key: readFileSync(key) },
        ])
      : grpc.ServerCredentials.createInsecure(),
  );
}
