/**
 * Production backends for the hosts of one test file: databases, a virtual host and a Redis that
 * nobody else uses, by way of proxies that can break each connection, and a view of what lies in them.
 */

import { randomBytes } from "node:crypto";
import amqp from "amqplib";
import { Redis as RedisClient } from "ioredis";
import { MongoClient } from "mongodb";
import { Proxy } from "./proxy.mjs";
import { databaseUrl, emptyVirtualHost, MONGODB, Redis, virtualHost } from "./servers.mjs";

/** PingTalk's databases, by the variable that says where one is. */
const DATABASES = {
  authDB: "MONGO_AUTH_URI",
  profileDB: "MONGO_PROFILE_URI",
  requestDB: "MONGO_REQUEST_URI",
  chatDB: "MONGO_CHAT_URI",
};

export class Backends {
  #run = randomBytes(4).toString("hex");
  #name;
  #rabbitmqUrl;
  #closing = [];

  /**
   * @param {string} name of the test file; a part of the databases' names
   * @param {string} vhost that no other file uses
   */
  constructor(name, vhost) {
    this.#name = name;
    this.#rabbitmqUrl = virtualHost(vhost);
  }

  async start() {
    await emptyVirtualHost(this.#rabbitmqUrl);
    this.redisServer = await Redis.start();
    this.#closing.push(() => this.redisServer.close());
    /** What the host's connections go through. */
    this.network = {
      mongodb: new Proxy(MONGODB),
      redis: new Proxy(this.redisServer.url),
      rabbitmq: new Proxy(this.#rabbitmqUrl),
    };
    for (const proxy of Object.values(this.network)) {
      await proxy.start();
      this.#closing.push(() => proxy.close());
    }
    const mongo = await MongoClient.connect(MONGODB);
    this.#closing.push(() => mongo.close());
    /** @type {{[database: string]: import("mongodb").Db}} by PingTalk's names */
    this.databases = {};
    for (const name of Object.keys(DATABASES)) {
      const database = mongo.db(this.#database(name));
      this.databases[name] = database;
      this.#closing.push(() => database.dropDatabase());
    }
    this.redis = new RedisClient(this.redisServer.url);
    this.#closing.push(() => this.redis.disconnect());
    this.rabbitmq = await amqp.connect(this.#rabbitmqUrl);
    this.#closing.push(() => this.rabbitmq.close());
  }

  #database(name) {
    return `e2e_${this.#name}_${this.#run}_${name}`;
  }

  /** The variables of a host that uses all of it. */
  get env() {
    const { mongodb, redis, rabbitmq } = this.network;
    const uris = Object.entries(DATABASES).map(([name, variable]) => [
      variable,
      mongodb.via(databaseUrl(this.#database(name))),
    ]);
    return {
      ...Object.fromEntries(uris),
      REDIS_HOST: "127.0.0.1",
      REDIS_PORT: `${redis.port}`,
      RABBITMQ_URL: rabbitmq.via(this.#rabbitmqUrl),
    };
  }

  /**
   * @param {string} path database and collection, as in `authDB.auths`
   * @returns {import("mongodb").Collection}
   */
  collection(path) {
    const [database, collection] = path.split(".");
    return this.databases[database].collection(collection);
  }

  /** Ends everything, the last first. */
  async close() {
    for (const close of this.#closing.reverse()) {
      await close();
    }
  }
}
