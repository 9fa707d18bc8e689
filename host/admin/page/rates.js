/** From two looks at the host's counters to what happens a second. No DOM here. */

/** Where the buckets of a route's latency end, in milliseconds; the last has no end. */
export const BOUNDS = [0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000, Infinity];

/**
 * @param {any} before a status, or null
 * @param {any} now the next one
 * @returns {any} seconds between them, or null when there is nothing to compare
 */
export function between(before, now) {
  // After a restart the counters start again.
  if (!before || now.uptime_seconds <= before.uptime_seconds) {
    return null;
  }
  return now.uptime_seconds - before.uptime_seconds;
}

/**
 * How much a counter grew; what is new, or began again, counts from zero.
 * @param {number | undefined} before
 * @param {number} now
 */
export function grown(before, now) {
  return before === undefined || now < before ? now : now - before;
}

/**
 * The value below which a share of the responses took: the end of the bucket it falls into, or a
 * point within it by the bucket's own share.
 * @param {number[]} buckets counts
 * @param {number} share 0 to 1
 * @returns {number | null} milliseconds; null without a response
 */
export function quantile(buckets, share) {
  const total = buckets.reduce((sum, count) => sum + count, 0);
  if (total === 0) {
    return null;
  }
  let below = 0;
  for (const [at, count] of buckets.entries()) {
    if (below + count >= share * total && count > 0) {
      const [from, to] = [at === 0 ? 0 : BOUNDS[at - 1], BOUNDS[at]];
      return to === Infinity ? from : from + ((share * total - below) / count) * (to - from);
    }
    below += count;
  }
  return BOUNDS.at(-2) ?? null;
}

/**
 * A route's figures since the last look.
 * @param {any} before
 * @param {any} now
 * @param {number} seconds
 */
export function route(before, now, seconds) {
  const responses = now.responses.map((count, at) => grown(before?.responses[at], count));
  const buckets = now.latency.map((count, at) => grown(before?.latency[at], count));
  const total = responses.reduce((sum, count) => sum + count, 0);
  return {
    buckets,
    requests: total / seconds,
    clientErrors: responses[3] / seconds,
    serverErrors: responses[4] / seconds,
    p50: quantile(buckets, 0.5),
    p99: quantile(buckets, 0.99),
  };
}

/**
 * A tenant's figures since the last look.
 * @param {any} before
 * @param {any} now
 * @param {number} seconds
 */
export function tenant(before, now, seconds) {
  const routes = now.routes.map((it) => route(find(before?.routes, "route", it.route), it, seconds));
  const sum = (name) => routes.reduce((total, it) => total + it[name], 0);
  // Long polls and files would hide what the components take.
  const served = routes.filter((_, at) => now.routes[at].component);
  const buckets = BOUNDS.map((_, at) => served.reduce((total, it) => total + it.buckets[at], 0));
  const components = now.components.map((it) => component(before, it, seconds));
  return {
    routes,
    components,
    requests: sum("requests"),
    clientErrors: sum("clientErrors"),
    serverErrors: sum("serverErrors"),
    p50: quantile(buckets, 0.5),
    p99: quantile(buckets, 0.99),
    cpu: components.reduce((total, it) => total + it.cpu, 0),
  };
}

function component(before, now, seconds) {
  const old = before?.components.find((it) => it.component === now.component && it.release === now.release);
  return {
    calls: grown(old?.calls, now.calls) / seconds,
    cpu: grown(old?.cpu_seconds, now.cpu_seconds) / seconds,
    throttled: grown(old?.throttled_seconds, now.throttled_seconds) / seconds,
  };
}

/**
 * @param {any[] | undefined} items
 * @param {string} name of a field
 * @param {unknown} value
 */
export function find(items, name, value) {
  return items?.find((item) => item[name] === value);
}
