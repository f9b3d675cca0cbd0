// SPDX-License-Identifier: Apache-2.0
// connect.js DESCRIPTORS PORT [CA]: the gRPC transport of connect-node, as a client. Messages come by
// reflection out of a set of descriptors, so that nothing is generated.
import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient, decodeBinaryHeader, encodeBinaryHeader } from "@connectrpc/connect";
import { compressionGzip, createGrpcTransport } from "@connectrpc/connect-node";
import { play } from "./cases.js";

const [descriptors, port, ca] = process.argv.slice(2);
const registry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)),
);
const INITIAL = "x-grpc-test-echo-initial";
const TRAILING = "x-grpc-test-echo-trailing-bin";

const camel = (method) => method[0].toLowerCase() + method.slice(1);

function makeApi(options) {
  const transport = createGrpcTransport({
    baseUrl: `${ca ? "https" : "http"}://localhost:${port}`,
    nodeOptions: ca ? { ca: readFileSync(ca) } : {},
    ...options,
  });
  const stub = createClient(registry.getService("grpc.testing.TestService"), transport);
  const other = createClient(registry.getService("grpc.testing.UnimplementedService"), transport);
  return {
    unary: (method, request) => stub[camel(method)](request),
    clientStream: (method, requests, callOptions) => stub[camel(method)](requests, callOptions),
    serverStream: (method, request) => stub[camel(method)](request),
    duplex: (method, requests, callOptions) => stub[camel(method)](requests, callOptions),
    compressed: () => makeApi({ sendCompression: compressionGzip, compressMinBytes: 1 }),
    unimplementedService: () => other.unimplementedCall({}),
    echo: async (request, text, bytes) => {
      const seen = {};
      await stub.unaryCall(request, {
        headers: { [INITIAL]: text, [TRAILING]: encodeBinaryHeader(bytes) },
        onHeader: (headers) => (seen.initial = headers.get(INITIAL)),
        onTrailer: (trailers) => (seen.trailing = decodeBinaryHeader(trailers.get(TRAILING))),
      });
      return seen;
    },
    close: () => process.exit(),
  };
}

await play(makeApi({}));
