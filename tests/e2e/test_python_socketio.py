"""Chatting with python-socketio, over each transport: the core of socketio.test.mjs from another client."""

import secrets
import threading
import time

import pytest
import requests
import socketio
from socketio import exceptions

BOUND = 15
PASSWORD = "Correct-horse-7"
NO_ONE = "0123456789abcdef01234567"
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}


class User:
    """Somebody signed up. Calls are spaced, as all come from one address."""

    def __init__(self, base_url, first_name):
        self.base_url = base_url
        self.http = requests.Session()
        self.email = f"user-{secrets.token_hex(6)}@example.com"
        fields = {"firstName": first_name, "lastName": "Test", "emailId": self.email, "password": PASSWORD}
        self.id = self.expect("POST", "/auth/signup", 201, json=fields)["data"]["_id"]

    def call(self, method, path, **options):
        """Waits as the server asks when there were too many requests."""
        deadline = time.monotonic() + BOUND
        while True:
            answer = self.http.request(method, self.base_url + path, timeout=BOUND, **options)
            if answer.status_code != 429 or time.monotonic() > deadline:
                return answer
            time.sleep(float(answer.headers["Retry-After"]))

    def expect(self, method, path, status, **options):
        """Tries until the answer has this status: for what follows from an event a moment later."""
        deadline = time.monotonic() + BOUND
        while True:
            answer = self.call(method, path, **options)
            if answer.status_code == status:
                return answer.json()
            assert time.monotonic() < deadline, f"{method} {path}: {answer.status_code} {answer.text}"
            time.sleep(0.1)

    @property
    def cookie(self):
        return f"token={self.http.cookies['token']}"


def connect(one, other):
    """Makes the two people's direct chat."""
    invite = one.expect("POST", "/request/invite/send", 201, json={"toEmail": other.email})["data"]
    other.expect("PATCH", f"/request/respond/{invite['_id']}", 200, json={"status": "accepted"})
    return one.expect("POST", "/chat/create-direct", 201, json={"receiverId": other.id})["_id"]


class Receiver:
    """A connected socket and what it received."""

    def __init__(self, user, transports=None, cookie=None, namespace="/"):
        self.messages, self.errors = [], []
        self.changed = threading.Condition()
        self.disconnected = threading.Event()
        self.namespace = namespace
        self.client = socketio.Client(reconnection=False, handle_sigint=False)
        self.client.on("receiveMessage", lambda message: self._note(self.messages, message), namespace=namespace)
        self.client.on("error", lambda error: self._note(self.errors, error), namespace=namespace)
        self.client.on("disconnect", lambda *_: self.disconnected.set(), namespace=namespace)
        headers = {} if cookie == "" else {"Cookie": cookie or user.cookie}
        self.client.connect(
            user.base_url, headers=headers, transports=transports, socketio_path="/chat/socket.io",
            namespaces=[namespace], wait_timeout=BOUND,
        )

    def _note(self, where, what):
        with self.changed:
            where.append(what)
            self.changed.notify_all()

    def ask(self, event, payload):
        return self.client.call(event, payload, namespace=self.namespace, timeout=BOUND)

    def join(self, chat, **more):
        answer = self.ask("joinChat", {"chatId": chat, **more})
        assert answer["ok"] is True, answer
        return answer

    def send(self, chat, text, **more):
        answer = self.ask("sendMessage", {"chatId": chat, "text": text, **more})
        assert answer["ok"] is True, answer
        return answer["message"]

    def texts(self, count):
        """Waits for that many messages."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.messages) >= count, BOUND)
            return [message["text"] for message in self.messages]


@pytest.fixture(scope="module")
def people(base_url):
    ada, ben, cleo, eve = (User(base_url, name) for name in ("Ada", "Ben", "Cleo", "Eve"))
    direct = connect(ada, ben)
    connect(ada, cleo)
    return {"ada": ada, "ben": ben, "cleo": cleo, "eve": eve, "direct": direct}


@pytest.fixture
def open_socket():
    opened = []

    def opener(*arguments, **options):
        receiver = Receiver(*arguments, **options)
        opened.append(receiver)
        return receiver

    yield opener
    for receiver in opened:
        receiver.client.disconnect()


@pytest.fixture
def group(people):
    members = [people["ben"].id, people["cleo"].id]
    return people["ada"].expect("POST", "/chat/create-group", 201, json={"name": "Friends", "participants": members})["_id"]


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS.keys())
class TestEachTransport:
    def test_delivers_to_everyone_who_joined_once(self, people, group, open_socket, transports):
        ada, ben = open_socket(people["ada"], transports), open_socket(people["ben"], transports)
        ada.join(group)
        ben.join(group)
        stored = ada.send(group, "Grüße 🙂")
        ben.send(group, "hi")
        assert ada.texts(2) == ["Grüße 🙂", "hi"]
        assert ben.texts(2) == ["Grüße 🙂", "hi"]
        assert ada.messages[0] == stored

    def test_keeps_the_order(self, people, group, open_socket, transports):
        ada, ben = open_socket(people["ada"], transports), open_socket(people["ben"], transports)
        ben.join(group)
        sent = [f"message {n}" for n in range(100)]
        # All at once: an answer to a poll must hold no more packets than this client takes (16).
        for text in sent[:-1]:
            ada.client.emit("sendMessage", {"chatId": group, "text": text})
        ada.send(group, sent[-1])
        assert ben.texts(100) == sent
        history = people["cleo"].expect("GET", f"/chat/messages/{group}", 200)
        assert [message["text"] for message in history] == sent

    def test_refuses_by_an_error_event(self, people, open_socket, transports):
        eve = open_socket(people["eve"], transports)
        eve.client.emit("joinChat", {"chatId": people["direct"]})
        eve.client.emit("sendMessage", {"chatId": people["direct"], "text": "x"})
        eve.client.emit("joinChat", {"chatId": NO_ONE})
        with eve.changed:
            eve.changed.wait_for(lambda: len(eve.errors) >= 3, BOUND)
        assert eve.errors == ["Not authorized", "Not authorized", "Chat not found"]
        assert eve.client.connected


@pytest.mark.parametrize("transports", [["polling"], ["websocket"]], ids=["polling", "websocket"])
@pytest.mark.parametrize(
    ("cookie", "message"),
    [
        ("", "Unauthorized - No cookies"),
        ("other=1", "Unauthorized - No token"),
        ("token=nonsense", "Unauthorized - Invalid or expired token"),
    ],
)
def test_refuses_to_connect_without_a_session(people, transports, cookie, message):
    client = socketio.Client(reconnection=False, handle_sigint=False)
    refusals = []
    client.on("connect_error", refusals.append)
    headers = {"Cookie": cookie} if cookie else {}
    with pytest.raises(exceptions.ConnectionError):
        client.connect(
            people["ada"].base_url, headers=headers, transports=transports, socketio_path="/chat/socket.io", wait_timeout=BOUND,
        )
    client.disconnect()
    assert refusals == [{"message": message}]


def test_a_resent_message_is_stored_once(people, group, open_socket):
    ada, ben = open_socket(people["ada"]), open_socket(people["ben"])
    ben.join(group)
    first = ada.send(group, "once", clientMessageId="the same")
    assert ada.send(group, "once", clientMessageId="the same") == first
    ada.send(group, "after")
    assert ben.texts(2) == ["once", "after"]


def test_catches_up_after_a_drop(people, group, open_socket):
    ada, ben = open_socket(people["ada"]), open_socket(people["ben"])
    last = ben.join(group)["lastSequence"]
    ben.client.disconnect()
    for n in range(5):
        ada.send(group, f"missed {n}")
    again = open_socket(people["ben"])
    answer = again.join(group, after=last)
    assert answer == {"ok": True, "lastSequence": last + 5, "replayed": 5, "complete": True}
    ada.send(group, "live")
    assert again.texts(6) == [f"missed {n}" for n in range(5)] + ["live"]


@pytest.mark.parametrize("payload", [None, 7, "text", [], {}, {"chatId": {"$ne": ""}}, b"binary", {"chatId": b"binary"}], ids=repr)
def test_frames_of_a_wrong_shape_do_no_harm(people, open_socket, payload):
    ada = open_socket(people["ada"])
    ada.client.emit("sendMessage", payload)
    ada.client.emit("joinChat", payload)
    with ada.changed:
        assert ada.changed.wait_for(lambda: len(ada.errors) >= 2, BOUND)
    ada.join(people["direct"])
    assert ada.client.connected


def test_serves_the_namespace_of_the_original_clients(people, open_socket):
    ada = open_socket(people["ada"], namespace="/chat/")
    ada.join(people["direct"])
    ada.send(people["direct"], "in a namespace")
    assert ada.texts(1) == ["in a namespace"]


def test_logout_closes_the_socket(base_url, open_socket):
    user = User(base_url, "Fay")
    socket = open_socket(user)
    assert user.call("POST", "/auth/logout").status_code == 200
    assert socket.disconnected.wait(BOUND)
