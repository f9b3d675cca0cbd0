# SPDX-License-Identifier: Apache-2.0
"""parleyd through Python's official gRPC client and nothing of ours but the contract."""
import os
import sys

sys.path.insert(0, os.environ["PARLEY_PYTHON"])

import grpc  # noqa: E402
from parley.v1 import chat_service_pb2 as chat  # noqa: E402,F401
from parley.v1 import chat_service_pb2_grpc as chat_grpc  # noqa: E402
from parley.v1 import conversation_service_pb2 as conversations  # noqa: E402,F401
from parley.v1 import conversation_service_pb2_grpc as conversations_grpc  # noqa: E402
from parley.v1 import event_pb2 as events  # noqa: E402,F401


class Caller:
    """One user on one channel. Calls carry `metadata`, and `timeout` seconds unless they stream.
    `patient`: calls wait for a connection instead of failing while there is none."""

    def __init__(self, address, token, options=(), patient=False):
        self.patient = patient
        self.metadata = (("authorization", "Bearer " + token),)
        self.channel = grpc.insecure_channel(address, options=list(options))
        self.chat = chat_grpc.ChatServiceStub(self.channel)
        self.conversations = conversations_grpc.ConversationServiceStub(self.channel)

    def create(self, conversation_id, members=(), title="", timeout=20):
        return self.conversations.CreateConversation(
            conversations.CreateConversationRequest(
                conversation_id=conversation_id, member_ids=members, title=title),
            metadata=self.metadata, timeout=timeout, wait_for_ready=self.patient)

    def send(self, conversation_id, client_message_id, body, content_type="", timeout=20):
        return self.chat.Send(
            chat.SendRequest(conversation_id=conversation_id, client_message_id=client_message_id,
                             body=body, content_type=content_type),
            metadata=self.metadata, timeout=timeout, wait_for_ready=self.patient)

    def subscribe(self, cursors=(), everything=False, timeout=None):
        """@param cursors  pairs of conversation id and the last seq seen"""
        return self.chat.Subscribe(
            chat.SubscribeRequest(
                cursors=[chat.Cursor(conversation_id=i, after_seq=seq) for i, seq in cursors],
                all_conversations=everything),
            metadata=self.metadata, timeout=timeout, wait_for_ready=self.patient)

    def history(self, conversation_id, from_seq=0, backwards=False, limit=0, page_size=0,
                timeout=20):
        """The events as one list, and the pages' sizes."""
        pages = self.chat.History(
            chat.HistoryRequest(
                conversation_id=conversation_id, from_seq=from_seq, limit=limit,
                page_size=page_size,
                direction=chat.DIRECTION_BACKWARDS if backwards else chat.DIRECTION_FORWARDS),
            metadata=self.metadata, timeout=timeout, wait_for_ready=self.patient)
        pages = [list(page.events) for page in pages]
        return [event for page in pages for event in page], [len(page) for page in pages]

    def close(self):
        self.channel.close()
