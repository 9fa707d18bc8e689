/**
 * Who is signed in. The session itself is a cookie that scripts can't read; the server tells whose
 * it is. All tabs of one origin share that cookie, so a tab that finds another user signed in
 * starts again (see `onUserChangedElsewhere`).
 *
 * @typedef {import("./types.js").Profile} Profile
 */

import { ApiError, call, pause } from "./api.js";

/** Where tabs tell each other who signed in. */
const USER_KEY = "pingtalk.user";
/** A profile is made from the sign-up's event, so it may come a moment later than the account. */
const PROFILE_WAITS = [150, 300, 600, 1000, 2000, 3000];

/**
 * @param {{firstName: string, lastName: string, emailId: string, password: string}} fields
 * @returns {Promise<Profile>}
 */
export async function signUp(fields) {
  const { data } = await call("POST", "/auth/signup", { json: fields });
  const profile = await ownProfile();
  return profile ?? { userId: data._id, firstName: data.firstName, lastName: data.lastName };
}

/**
 * @param {string} emailId
 * @param {string} password
 * @returns {Promise<Profile>}
 */
export async function logIn(emailId, password) {
  await call("POST", "/auth/login", { json: { emailId, password } });
  const profile = await ownProfile();
  if (!profile) {
    throw new ApiError(404, "Your profile isn't there yet. Please try again in a moment.");
  }
  return profile;
}

export async function logOut() {
  await call("POST", "/auth/logout");
}

/**
 * Ends all other sessions of the user, too.
 * @param {string} oldPassword
 * @param {string} newPassword
 */
export async function changePassword(oldPassword, newPassword) {
  await call("PATCH", "/auth/changePassword", { json: { oldPassword, newPassword } });
}

/**
 * @returns {Promise<Profile | null>} null if nobody is signed in
 */
export async function whoAmI() {
  try {
    return await ownProfile();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      return null;
    }
    throw error;
  }
}

/** @returns {Promise<Profile | null>} null if there is none even after a while */
async function ownProfile() {
  for (const wait of [...PROFILE_WAITS, 0]) {
    try {
      const { data } = await call("GET", "/profile/getProfile");
      return data;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) {
        throw error;
      }
      await pause(wait);
    }
  }
  return null;
}

/**
 * Tells other tabs of this origin who is signed in here.
 * @param {string} userId
 */
export function announceUser(userId) {
  localStorage.setItem(USER_KEY, userId);
}

/**
 * Calls back when another tab signed in as somebody else: this tab's cookie is theirs now.
 * @param {string} userId who this tab is
 * @param {() => void} listener
 */
export function onUserChangedElsewhere(userId, listener) {
  addEventListener("storage", (event) => {
    if (event.key === USER_KEY && event.newValue && event.newValue !== userId) {
      listener();
    }
  });
}
