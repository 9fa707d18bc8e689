/**
 * An OpenTelemetry collector for tests: takes OTLP over HTTP, in protobuf, and keeps what it got.
 * (OpenTelemetry Protocol 1.x; the numbers are those of opentelemetry-proto.)
 */

import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import protobuf from "protobufjs";

const { root } = protobuf.parse(`
  syntax = "proto3";
  message AnyValue { oneof value { string string = 1; bool bool = 2; int64 int = 3; double double = 4; } }
  message KeyValue { string key = 1; AnyValue value = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message Status { string message = 2; int32 code = 3; }
  message Span {
    bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
    fixed64 start = 7; fixed64 end = 8; repeated KeyValue attributes = 9; Status status = 15;
  }
  message ScopeSpans { repeated Span spans = 2; }
  message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
  message Traces { repeated ResourceSpans resource_spans = 1; }
  message LogRecord {
    string severity_text = 3; AnyValue body = 5; repeated KeyValue attributes = 6;
    bytes trace_id = 9; bytes span_id = 10;
  }
  message ScopeLogs { repeated LogRecord log_records = 2; }
  message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; }
  message Logs { repeated ResourceLogs resource_logs = 1; }
`);
const Traces = root.lookupType("Traces");
const Logs = root.lookupType("Logs");

/** The kinds of spans, by their numbers. */
const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"];
/** Status: error. */
const ERROR = 2;
/** The host sends batches after a moment. */
const PATIENCE = 20_000;

/**
 * @typedef {object} Span
 * @property {string} trace
 * @property {string} id
 * @property {string} parent empty for a root
 * @property {string} name
 * @property {string} kind
 * @property {boolean} failed
 * @property {{[key: string]: any}} attributes
 *
 * @typedef {object} Line
 * @property {string} trace empty where no trace is kept
 * @property {string} level
 * @property {string} text
 * @property {{[key: string]: any}} attributes
 */

export class Collector {
  /** @type {Span[]} */
  spans = [];
  /** @type {Line[]} */
  lines = [];
  /** Headers of the requests it got. */
  headers = [];
  /** Attributes of whoever sent. */
  resource = {};
  #server = createServer((incoming, outgoing) => this.#take(incoming, outgoing));

  static async start() {
    const collector = new Collector();
    collector.#server.listen(0, "127.0.0.1");
    await once(collector.#server, "listening");
    return collector;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  async #take(incoming, outgoing) {
    const chunks = [];
    for await (const chunk of incoming) {
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks);
    this.headers.push(incoming.headers);
    if (incoming.url === "/v1/traces") {
      this.#traces(Traces.decode(bytes));
    } else if (incoming.url === "/v1/logs") {
      this.#logs(Logs.decode(bytes));
    } else {
      outgoing.statusCode = 404;
    }
    outgoing.setHeader("content-type", "application/x-protobuf").end();
  }

  #traces({ resourceSpans }) {
    for (const { resource, scopeSpans } of resourceSpans) {
      this.resource = record(resource.attributes);
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        this.spans.push({
          trace: hex(span.traceId),
          id: hex(span.spanId),
          parent: hex(span.parentSpanId),
          name: span.name,
          kind: KINDS[span.kind],
          failed: span.status?.code === ERROR,
          attributes: record(span.attributes),
        });
      }
    }
  }

  #logs({ resourceLogs }) {
    for (const line of resourceLogs.flatMap(({ scopeLogs }) => scopeLogs).flatMap(({ logRecords }) => logRecords)) {
      this.lines.push({
        trace: hex(line.traceId),
        level: line.severityText,
        text: line.body?.string ?? "",
        attributes: record(line.attributes),
      });
    }
  }

  /**
   * Waits until something came.
   * @template T
   * @param {string} what for the message when it doesn't
   * @param {() => T | undefined} find
   * @returns {Promise<T>}
   */
  async until(what, find) {
    const deadline = Date.now() + PATIENCE;
    while (Date.now() < deadline) {
      const found = find();
      if (found) {
        return found;
      }
      await pause(50);
    }
    const names = this.spans.map(({ trace, name, parent }) => `${trace.slice(0, 6)} ${name} < ${parent}`);
    throw new Error(`${what} did not come; spans:\n${names.slice(-60).join("\n")}`);
  }

  async close() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function hex(bytes) {
  return Buffer.from(bytes ?? []).toString("hex");
}

function record(attributes) {
  return Object.fromEntries(
    // `value` names the alternative that is set.
    attributes.map(({ key, value }) => [key, value.value === "int" ? Number(value.int) : value[value.value]]),
  );
}
