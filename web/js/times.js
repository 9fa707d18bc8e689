/** Dates as people read them, in their own locale. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const DAY = 24 * 60 * 60 * 1000;

/** @param {string} iso */
export function timeOfDay(iso) {
  return clock.format(new Date(iso));
}

/** @param {string} iso */
export function day(iso) {
  const daysAgo = Math.round((startOfDay(new Date()) - startOfDay(new Date(iso))) / DAY);
  if (daysAgo === 0) {
    return "Today";
  }
  if (daysAgo === 1) {
    return "Yesterday";
  }
  return daysAgo > 1 && daysAgo < 7 ? weekday.format(new Date(iso)) : date.format(new Date(iso));
}

/**
 * The time for today, the day for what is older.
 * @param {string} iso
 */
export function short(iso) {
  const name = day(iso);
  return name === "Today" ? timeOfDay(iso) : name;
}

/** @param {Date} when */
function startOfDay(when) {
  return new Date(when.getFullYear(), when.getMonth(), when.getDate()).getTime();
}
