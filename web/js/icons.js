/**
 * The icons' outlines, on a grid of 24 by 24. They are code rather than files, so that those for
 * "offline" can be shown offline.
 *
 * @type {{[name: string]: string}}
 */
export const ICONS = {
  send: "M4 12l16-8-6 16-3-7z",
  attach: "M20 11.5l-8.5 8.5a5 5 0 0 1-7-7L13 4.5a3.4 3.4 0 0 1 4.8 4.8L9.5 17.6a1.7 1.7 0 0 1-2.4-2.4l7.4-7.4",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  group:
    "M12.5 8a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0M2.5 20c0-4 3-6 6.5-6s6.5 2 6.5 6M16 5a3.5 3.5 0 0 1 0 6.5M18 14.5c2.3.8 3.5 2.7 3.5 5.5",
  file: "M7 3h7l5 5v13H7zM14 3v5h5",
  window: "M3 5h18v14H3zM12 5v14",
  sent: "M5 12.5l4.5 4.5L19 7.5",
  pending: "M20 12a8 8 0 1 1-16 0 8 8 0 0 1 16 0M12 7.5V12l3 2",
  failed: "M12 4l9 16H3zM12 10v4M12 17v.2",
};
