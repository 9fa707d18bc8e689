/**
 * The shapes that cross the wire, for editors and for `tsc --checkJs`. Nothing here runs.
 *
 * @typedef {object} Profile
 * @property {string} userId
 * @property {string} firstName
 * @property {string} lastName
 * @property {string} [about]
 * @property {string} [profilePic] URL
 * @property {number} [age]
 * @property {string} [gender]
 *
 * @typedef {object} Invite
 * @property {string} _id
 * @property {string} fromUserId
 * @property {string} toUserId
 * @property {"pending" | "accepted" | "rejected"} status
 * @property {string} [message]
 * @property {string} createdAt ISO 8601
 *
 * @typedef {object} Chat
 * @property {string} _id
 * @property {"direct" | "group"} chatType
 * @property {string} [name] Groups only
 * @property {string[]} participants
 * @property {string[]} admins
 * @property {string | null} [lastMessage] Its id
 * @property {string} updatedAt ISO 8601
 *
 * @typedef {object} SharedFile
 * @property {string} name
 * @property {string} mimeType
 * @property {number} size Bytes
 * @property {string} [data] Base64; live messages carry it
 * @property {string} [url] Histories read with `inline=false` carry it instead
 *
 * @typedef {object} Message
 * @property {string} _id
 * @property {string} chatId
 * @property {string} senderId
 * @property {string} [text]
 * @property {SharedFile} [file]
 * @property {number} [seq] Counts from 1 in each chat; messages older than this server have none
 * @property {string} [clientMessageId] What the sender called it
 * @property {string} createdAt ISO 8601
 *
 * @typedef {object} Outgoing A message on its way
 * @property {string} chatId
 * @property {string} text
 * @property {string} clientMessageId
 * @property {string} createdAt ISO 8601, by this machine's clock
 * @property {"waiting" | "failed"} state
 * @property {string} [error] Why it failed
 *
 * @typedef {{ok: true, message: Message} | {ok: false, error: string}} SendAnswer
 * @typedef {{ok: true, lastSequence: number, replayed: number, complete: boolean} | {ok: false, error: string}} JoinAnswer
 *
 * @typedef {object} App Everything a view can ask
 * @property {Profile} me
 * @property {import("./people.js").People} people
 * @property {import("./invites.js").Invites} invites
 * @property {import("./chats.js").Chats} chats
 * @property {import("./histories.js").Histories} histories
 * @property {import("./outbox.js").Outbox} outbox
 * @property {import("./connection.js").Connection} connection
 */

export {};
