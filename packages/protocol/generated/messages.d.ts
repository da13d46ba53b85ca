// Generated from src/peer/messages.proto by scripts/generate.mjs. Do not edit.
import * as $protobuf from "protobufjs/minimal.js";

/** Namespace quorate. */
export namespace quorate {

    /** Namespace peer. */
    namespace peer {

        /**
         * Properties of a Hello.
         * @deprecated Use quorate.peer.Hello.$Properties instead.
         */
        interface IHello extends quorate.peer.Hello.$Properties {
        }

        /** Represents a Hello. */
        class Hello {

            /**
             * Constructs a new Hello.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.Hello.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Hello protocolVersion. */
            protocolVersion: number;

            /** Hello clusterId. */
            clusterId: string;

            /** Hello bootstrapMembers. */
            bootstrapMembers: string;

            /** Hello nodeId. */
            nodeId: string;

            /** Hello incarnation. */
            incarnation: string;

            /** Hello session. */
            session: string;

            /** Hello httpAddress. */
            httpAddress: string;

            /** Hello mqttAddress. */
            mqttAddress: string;

            /** Hello directoryId. */
            directoryId: string;

            /** Hello founded. */
            founded: boolean;

            /** Hello peerAddress. */
            peerAddress: string;

            /** Hello purpose. */
            purpose: number;

            /**
             * Encodes the specified Hello message. Does not implicitly {@link quorate.peer.Hello.verify|verify} messages.
             * @param message Hello message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.Hello.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Hello message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.Hello & quorate.peer.Hello.$Shape} Hello
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.Hello & quorate.peer.Hello.$Shape;
        }

        namespace Hello {

            /** Properties of a Hello. */
            interface $Properties {

                /** Hello protocolVersion */
                protocolVersion?: (number|null);

                /** Hello clusterId */
                clusterId?: (string|null);

                /** Hello bootstrapMembers */
                bootstrapMembers?: (string|null);

                /** Hello nodeId */
                nodeId?: (string|null);

                /** Hello incarnation */
                incarnation?: (string|null);

                /** Hello session */
                session?: (string|null);

                /** Hello httpAddress */
                httpAddress?: (string|null);

                /** Hello mqttAddress */
                mqttAddress?: (string|null);

                /** Hello directoryId */
                directoryId?: (string|null);

                /** Hello founded */
                founded?: (boolean|null);

                /** Hello peerAddress */
                peerAddress?: (string|null);

                /** Hello purpose */
                purpose?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Hello. */
            type $Shape = quorate.peer.Hello.$Properties;
        }

        /**
         * Properties of a HelloReply.
         * @deprecated Use quorate.peer.HelloReply.$Properties instead.
         */
        interface IHelloReply extends quorate.peer.HelloReply.$Properties {
        }

        /** Represents a HelloReply. */
        class HelloReply {

            /**
             * Constructs a new HelloReply.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.HelloReply.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** HelloReply accepted. */
            accepted: boolean;

            /** HelloReply code. */
            code: string;

            /** HelloReply reason. */
            reason: string;

            /** HelloReply hello. */
            hello?: (quorate.peer.Hello.$Properties|null);

            /**
             * Encodes the specified HelloReply message. Does not implicitly {@link quorate.peer.HelloReply.verify|verify} messages.
             * @param message HelloReply message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.HelloReply.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a HelloReply message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.HelloReply & quorate.peer.HelloReply.$Shape} HelloReply
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.HelloReply & quorate.peer.HelloReply.$Shape;
        }

        namespace HelloReply {

            /** Properties of a HelloReply. */
            interface $Properties {

                /** HelloReply accepted */
                accepted?: (boolean|null);

                /** HelloReply code */
                code?: (string|null);

                /** HelloReply reason */
                reason?: (string|null);

                /** HelloReply hello */
                hello?: (quorate.peer.Hello.$Properties|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a HelloReply. */
            type $Shape = quorate.peer.HelloReply.$Properties;
        }

        /**
         * Properties of a VoteRequest.
         * @deprecated Use quorate.peer.VoteRequest.$Properties instead.
         */
        interface IVoteRequest extends quorate.peer.VoteRequest.$Properties {
        }

        /** Represents a VoteRequest. */
        class VoteRequest {

            /**
             * Constructs a new VoteRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.VoteRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** VoteRequest term. */
            term: number;

            /** VoteRequest preVote. */
            preVote: boolean;

            /** VoteRequest transfer. */
            transfer: boolean;

            /** VoteRequest lastIndex. */
            lastIndex: number;

            /** VoteRequest lastTerm. */
            lastTerm: number;

            /**
             * Encodes the specified VoteRequest message. Does not implicitly {@link quorate.peer.VoteRequest.verify|verify} messages.
             * @param message VoteRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.VoteRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a VoteRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.VoteRequest & quorate.peer.VoteRequest.$Shape} VoteRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.VoteRequest & quorate.peer.VoteRequest.$Shape;
        }

        namespace VoteRequest {

            /** Properties of a VoteRequest. */
            interface $Properties {

                /** VoteRequest term */
                term?: (number|null);

                /** VoteRequest preVote */
                preVote?: (boolean|null);

                /** VoteRequest transfer */
                transfer?: (boolean|null);

                /** VoteRequest lastIndex */
                lastIndex?: (number|null);

                /** VoteRequest lastTerm */
                lastTerm?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a VoteRequest. */
            type $Shape = quorate.peer.VoteRequest.$Properties;
        }

        /**
         * Properties of a VoteResponse.
         * @deprecated Use quorate.peer.VoteResponse.$Properties instead.
         */
        interface IVoteResponse extends quorate.peer.VoteResponse.$Properties {
        }

        /** Represents a VoteResponse. */
        class VoteResponse {

            /**
             * Constructs a new VoteResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.VoteResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** VoteResponse term. */
            term: number;

            /** VoteResponse preVote. */
            preVote: boolean;

            /** VoteResponse granted. */
            granted: boolean;

            /**
             * Encodes the specified VoteResponse message. Does not implicitly {@link quorate.peer.VoteResponse.verify|verify} messages.
             * @param message VoteResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.VoteResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a VoteResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.VoteResponse & quorate.peer.VoteResponse.$Shape} VoteResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.VoteResponse & quorate.peer.VoteResponse.$Shape;
        }

        namespace VoteResponse {

            /** Properties of a VoteResponse. */
            interface $Properties {

                /** VoteResponse term */
                term?: (number|null);

                /** VoteResponse preVote */
                preVote?: (boolean|null);

                /** VoteResponse granted */
                granted?: (boolean|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a VoteResponse. */
            type $Shape = quorate.peer.VoteResponse.$Properties;
        }

        /**
         * Properties of an EntryHeader.
         * @deprecated Use quorate.peer.EntryHeader.$Properties instead.
         */
        interface IEntryHeader extends quorate.peer.EntryHeader.$Properties {
        }

        /** Represents an EntryHeader. */
        class EntryHeader {

            /**
             * Constructs a new EntryHeader.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.EntryHeader.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** EntryHeader term. */
            term: number;

            /** EntryHeader type. */
            type: number;

            /** EntryHeader stampMs. */
            stampMs: number;

            /** EntryHeader length. */
            length: number;

            /**
             * Encodes the specified EntryHeader message. Does not implicitly {@link quorate.peer.EntryHeader.verify|verify} messages.
             * @param message EntryHeader message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.EntryHeader.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an EntryHeader message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.EntryHeader & quorate.peer.EntryHeader.$Shape} EntryHeader
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.EntryHeader & quorate.peer.EntryHeader.$Shape;
        }

        namespace EntryHeader {

            /** Properties of an EntryHeader. */
            interface $Properties {

                /** EntryHeader term */
                term?: (number|null);

                /** EntryHeader type */
                type?: (number|null);

                /** EntryHeader stampMs */
                stampMs?: (number|null);

                /** EntryHeader length */
                length?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an EntryHeader. */
            type $Shape = quorate.peer.EntryHeader.$Properties;
        }

        /**
         * Properties of an AppendRequest.
         * @deprecated Use quorate.peer.AppendRequest.$Properties instead.
         */
        interface IAppendRequest extends quorate.peer.AppendRequest.$Properties {
        }

        /** Represents an AppendRequest. */
        class AppendRequest {

            /**
             * Constructs a new AppendRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.AppendRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** AppendRequest term. */
            term: number;

            /** AppendRequest prevIndex. */
            prevIndex: number;

            /** AppendRequest prevTerm. */
            prevTerm: number;

            /** AppendRequest commitIndex. */
            commitIndex: number;

            /** AppendRequest round. */
            round: number;

            /** AppendRequest entries. */
            entries: quorate.peer.EntryHeader.$Properties[];

            /**
             * Encodes the specified AppendRequest message. Does not implicitly {@link quorate.peer.AppendRequest.verify|verify} messages.
             * @param message AppendRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.AppendRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an AppendRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.AppendRequest & quorate.peer.AppendRequest.$Shape} AppendRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.AppendRequest & quorate.peer.AppendRequest.$Shape;
        }

        namespace AppendRequest {

            /** Properties of an AppendRequest. */
            interface $Properties {

                /** AppendRequest term */
                term?: (number|null);

                /** AppendRequest prevIndex */
                prevIndex?: (number|null);

                /** AppendRequest prevTerm */
                prevTerm?: (number|null);

                /** AppendRequest commitIndex */
                commitIndex?: (number|null);

                /** AppendRequest round */
                round?: (number|null);

                /** AppendRequest entries */
                entries?: (quorate.peer.EntryHeader.$Properties[]|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an AppendRequest. */
            type $Shape = quorate.peer.AppendRequest.$Properties;
        }

        /**
         * Properties of an AppendResponse.
         * @deprecated Use quorate.peer.AppendResponse.$Properties instead.
         */
        interface IAppendResponse extends quorate.peer.AppendResponse.$Properties {
        }

        /** Represents an AppendResponse. */
        class AppendResponse {

            /**
             * Constructs a new AppendResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.AppendResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** AppendResponse term. */
            term: number;

            /** AppendResponse round. */
            round: number;

            /** AppendResponse success. */
            success: boolean;

            /** AppendResponse matchIndex. */
            matchIndex: number;

            /** AppendResponse hintIndex. */
            hintIndex: number;

            /** AppendResponse hintTerm. */
            hintTerm: number;

            /**
             * Encodes the specified AppendResponse message. Does not implicitly {@link quorate.peer.AppendResponse.verify|verify} messages.
             * @param message AppendResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.AppendResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an AppendResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.AppendResponse & quorate.peer.AppendResponse.$Shape} AppendResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.AppendResponse & quorate.peer.AppendResponse.$Shape;
        }

        namespace AppendResponse {

            /** Properties of an AppendResponse. */
            interface $Properties {

                /** AppendResponse term */
                term?: (number|null);

                /** AppendResponse round */
                round?: (number|null);

                /** AppendResponse success */
                success?: (boolean|null);

                /** AppendResponse matchIndex */
                matchIndex?: (number|null);

                /** AppendResponse hintIndex */
                hintIndex?: (number|null);

                /** AppendResponse hintTerm */
                hintTerm?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an AppendResponse. */
            type $Shape = quorate.peer.AppendResponse.$Properties;
        }

        /**
         * Properties of a Heartbeat.
         * @deprecated Use quorate.peer.Heartbeat.$Properties instead.
         */
        interface IHeartbeat extends quorate.peer.Heartbeat.$Properties {
        }

        /** Represents a Heartbeat. */
        class Heartbeat {

            /**
             * Constructs a new Heartbeat.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.Heartbeat.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** Heartbeat term. */
            term: number;

            /** Heartbeat commitIndex. */
            commitIndex: number;

            /** Heartbeat round. */
            round: number;

            /**
             * Encodes the specified Heartbeat message. Does not implicitly {@link quorate.peer.Heartbeat.verify|verify} messages.
             * @param message Heartbeat message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.Heartbeat.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a Heartbeat message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.Heartbeat & quorate.peer.Heartbeat.$Shape} Heartbeat
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.Heartbeat & quorate.peer.Heartbeat.$Shape;
        }

        namespace Heartbeat {

            /** Properties of a Heartbeat. */
            interface $Properties {

                /** Heartbeat term */
                term?: (number|null);

                /** Heartbeat commitIndex */
                commitIndex?: (number|null);

                /** Heartbeat round */
                round?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a Heartbeat. */
            type $Shape = quorate.peer.Heartbeat.$Properties;
        }

        /**
         * Properties of a HeartbeatResponse.
         * @deprecated Use quorate.peer.HeartbeatResponse.$Properties instead.
         */
        interface IHeartbeatResponse extends quorate.peer.HeartbeatResponse.$Properties {
        }

        /** Represents a HeartbeatResponse. */
        class HeartbeatResponse {

            /**
             * Constructs a new HeartbeatResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.HeartbeatResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** HeartbeatResponse term. */
            term: number;

            /** HeartbeatResponse round. */
            round: number;

            /**
             * Encodes the specified HeartbeatResponse message. Does not implicitly {@link quorate.peer.HeartbeatResponse.verify|verify} messages.
             * @param message HeartbeatResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.HeartbeatResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a HeartbeatResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.HeartbeatResponse & quorate.peer.HeartbeatResponse.$Shape} HeartbeatResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.HeartbeatResponse & quorate.peer.HeartbeatResponse.$Shape;
        }

        namespace HeartbeatResponse {

            /** Properties of a HeartbeatResponse. */
            interface $Properties {

                /** HeartbeatResponse term */
                term?: (number|null);

                /** HeartbeatResponse round */
                round?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a HeartbeatResponse. */
            type $Shape = quorate.peer.HeartbeatResponse.$Properties;
        }

        /**
         * Properties of a ReadIndexRequest.
         * @deprecated Use quorate.peer.ReadIndexRequest.$Properties instead.
         */
        interface IReadIndexRequest extends quorate.peer.ReadIndexRequest.$Properties {
        }

        /** Represents a ReadIndexRequest. */
        class ReadIndexRequest {

            /**
             * Constructs a new ReadIndexRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.ReadIndexRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** ReadIndexRequest term. */
            term: number;

            /** ReadIndexRequest id. */
            id: number;

            /**
             * Encodes the specified ReadIndexRequest message. Does not implicitly {@link quorate.peer.ReadIndexRequest.verify|verify} messages.
             * @param message ReadIndexRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.ReadIndexRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a ReadIndexRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.ReadIndexRequest & quorate.peer.ReadIndexRequest.$Shape} ReadIndexRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.ReadIndexRequest & quorate.peer.ReadIndexRequest.$Shape;
        }

        namespace ReadIndexRequest {

            /** Properties of a ReadIndexRequest. */
            interface $Properties {

                /** ReadIndexRequest term */
                term?: (number|null);

                /** ReadIndexRequest id */
                id?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a ReadIndexRequest. */
            type $Shape = quorate.peer.ReadIndexRequest.$Properties;
        }

        /**
         * Properties of a ReadIndexResponse.
         * @deprecated Use quorate.peer.ReadIndexResponse.$Properties instead.
         */
        interface IReadIndexResponse extends quorate.peer.ReadIndexResponse.$Properties {
        }

        /** Represents a ReadIndexResponse. */
        class ReadIndexResponse {

            /**
             * Constructs a new ReadIndexResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.ReadIndexResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** ReadIndexResponse term. */
            term: number;

            /** ReadIndexResponse id. */
            id: number;

            /** ReadIndexResponse index. */
            index: number;

            /**
             * Encodes the specified ReadIndexResponse message. Does not implicitly {@link quorate.peer.ReadIndexResponse.verify|verify} messages.
             * @param message ReadIndexResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.ReadIndexResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a ReadIndexResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.ReadIndexResponse & quorate.peer.ReadIndexResponse.$Shape} ReadIndexResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.ReadIndexResponse & quorate.peer.ReadIndexResponse.$Shape;
        }

        namespace ReadIndexResponse {

            /** Properties of a ReadIndexResponse. */
            interface $Properties {

                /** ReadIndexResponse term */
                term?: (number|null);

                /** ReadIndexResponse id */
                id?: (number|null);

                /** ReadIndexResponse index */
                index?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a ReadIndexResponse. */
            type $Shape = quorate.peer.ReadIndexResponse.$Properties;
        }

        /**
         * Properties of a TimeoutNow.
         * @deprecated Use quorate.peer.TimeoutNow.$Properties instead.
         */
        interface ITimeoutNow extends quorate.peer.TimeoutNow.$Properties {
        }

        /** Represents a TimeoutNow. */
        class TimeoutNow {

            /**
             * Constructs a new TimeoutNow.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.TimeoutNow.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** TimeoutNow term. */
            term: number;

            /**
             * Encodes the specified TimeoutNow message. Does not implicitly {@link quorate.peer.TimeoutNow.verify|verify} messages.
             * @param message TimeoutNow message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.TimeoutNow.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a TimeoutNow message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.TimeoutNow & quorate.peer.TimeoutNow.$Shape} TimeoutNow
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.TimeoutNow & quorate.peer.TimeoutNow.$Shape;
        }

        namespace TimeoutNow {

            /** Properties of a TimeoutNow. */
            interface $Properties {

                /** TimeoutNow term */
                term?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a TimeoutNow. */
            type $Shape = quorate.peer.TimeoutNow.$Properties;
        }

        /**
         * Properties of a NodeMessage.
         * @deprecated Use quorate.peer.NodeMessage.$Properties instead.
         */
        interface INodeMessage extends quorate.peer.NodeMessage.$Properties {
        }

        /** Represents a NodeMessage. */
        class NodeMessage {

            /**
             * Constructs a new NodeMessage.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.NodeMessage.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** NodeMessage channel. */
            channel: number;

            /**
             * Encodes the specified NodeMessage message. Does not implicitly {@link quorate.peer.NodeMessage.verify|verify} messages.
             * @param message NodeMessage message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.NodeMessage.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a NodeMessage message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.NodeMessage & quorate.peer.NodeMessage.$Shape} NodeMessage
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.NodeMessage & quorate.peer.NodeMessage.$Shape;
        }

        namespace NodeMessage {

            /** Properties of a NodeMessage. */
            interface $Properties {

                /** NodeMessage channel */
                channel?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a NodeMessage. */
            type $Shape = quorate.peer.NodeMessage.$Properties;
        }

        /**
         * Properties of a SnapshotOffer.
         * @deprecated Use quorate.peer.SnapshotOffer.$Properties instead.
         */
        interface ISnapshotOffer extends quorate.peer.SnapshotOffer.$Properties {
        }

        /** Represents a SnapshotOffer. */
        class SnapshotOffer {

            /**
             * Constructs a new SnapshotOffer.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.SnapshotOffer.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** SnapshotOffer id. */
            id: string;

            /** SnapshotOffer term. */
            term: number;

            /** SnapshotOffer index. */
            index: number;

            /** SnapshotOffer snapshotTerm. */
            snapshotTerm: number;

            /** SnapshotOffer stampMs. */
            stampMs: number;

            /** SnapshotOffer configuration. */
            configuration: Uint8Array;

            /** SnapshotOffer clusterId. */
            clusterId: string;

            /** SnapshotOffer machineVersion. */
            machineVersion: number;

            /** SnapshotOffer sizeBytes. */
            sizeBytes: number;

            /**
             * Encodes the specified SnapshotOffer message. Does not implicitly {@link quorate.peer.SnapshotOffer.verify|verify} messages.
             * @param message SnapshotOffer message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.SnapshotOffer.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a SnapshotOffer message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.SnapshotOffer & quorate.peer.SnapshotOffer.$Shape} SnapshotOffer
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.SnapshotOffer & quorate.peer.SnapshotOffer.$Shape;
        }

        namespace SnapshotOffer {

            /** Properties of a SnapshotOffer. */
            interface $Properties {

                /** SnapshotOffer id */
                id?: (string|null);

                /** SnapshotOffer term */
                term?: (number|null);

                /** SnapshotOffer index */
                index?: (number|null);

                /** SnapshotOffer snapshotTerm */
                snapshotTerm?: (number|null);

                /** SnapshotOffer stampMs */
                stampMs?: (number|null);

                /** SnapshotOffer configuration */
                configuration?: (Uint8Array|null);

                /** SnapshotOffer clusterId */
                clusterId?: (string|null);

                /** SnapshotOffer machineVersion */
                machineVersion?: (number|null);

                /** SnapshotOffer sizeBytes */
                sizeBytes?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a SnapshotOffer. */
            type $Shape = quorate.peer.SnapshotOffer.$Properties;
        }

        /**
         * Properties of a SnapshotProgress.
         * @deprecated Use quorate.peer.SnapshotProgress.$Properties instead.
         */
        interface ISnapshotProgress extends quorate.peer.SnapshotProgress.$Properties {
        }

        /** Represents a SnapshotProgress. */
        class SnapshotProgress {

            /**
             * Constructs a new SnapshotProgress.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.SnapshotProgress.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** SnapshotProgress id. */
            id: string;

            /** SnapshotProgress offset. */
            offset: number;

            /**
             * Encodes the specified SnapshotProgress message. Does not implicitly {@link quorate.peer.SnapshotProgress.verify|verify} messages.
             * @param message SnapshotProgress message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.SnapshotProgress.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a SnapshotProgress message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.SnapshotProgress & quorate.peer.SnapshotProgress.$Shape} SnapshotProgress
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.SnapshotProgress & quorate.peer.SnapshotProgress.$Shape;
        }

        namespace SnapshotProgress {

            /** Properties of a SnapshotProgress. */
            interface $Properties {

                /** SnapshotProgress id */
                id?: (string|null);

                /** SnapshotProgress offset */
                offset?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a SnapshotProgress. */
            type $Shape = quorate.peer.SnapshotProgress.$Properties;
        }

        /**
         * Properties of a SnapshotChunk.
         * @deprecated Use quorate.peer.SnapshotChunk.$Properties instead.
         */
        interface ISnapshotChunk extends quorate.peer.SnapshotChunk.$Properties {
        }

        /** Represents a SnapshotChunk. */
        class SnapshotChunk {

            /**
             * Constructs a new SnapshotChunk.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.SnapshotChunk.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** SnapshotChunk id. */
            id: string;

            /** SnapshotChunk term. */
            term: number;

            /** SnapshotChunk offset. */
            offset: number;

            /**
             * Encodes the specified SnapshotChunk message. Does not implicitly {@link quorate.peer.SnapshotChunk.verify|verify} messages.
             * @param message SnapshotChunk message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.SnapshotChunk.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a SnapshotChunk message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.SnapshotChunk & quorate.peer.SnapshotChunk.$Shape} SnapshotChunk
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.SnapshotChunk & quorate.peer.SnapshotChunk.$Shape;
        }

        namespace SnapshotChunk {

            /** Properties of a SnapshotChunk. */
            interface $Properties {

                /** SnapshotChunk id */
                id?: (string|null);

                /** SnapshotChunk term */
                term?: (number|null);

                /** SnapshotChunk offset */
                offset?: (number|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a SnapshotChunk. */
            type $Shape = quorate.peer.SnapshotChunk.$Properties;
        }

        /**
         * Properties of a SnapshotResult.
         * @deprecated Use quorate.peer.SnapshotResult.$Properties instead.
         */
        interface ISnapshotResult extends quorate.peer.SnapshotResult.$Properties {
        }

        /** Represents a SnapshotResult. */
        class SnapshotResult {

            /**
             * Constructs a new SnapshotResult.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.SnapshotResult.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** SnapshotResult id. */
            id: string;

            /** SnapshotResult ok. */
            ok: boolean;

            /** SnapshotResult code. */
            code: string;

            /** SnapshotResult reason. */
            reason: string;

            /**
             * Encodes the specified SnapshotResult message. Does not implicitly {@link quorate.peer.SnapshotResult.verify|verify} messages.
             * @param message SnapshotResult message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.SnapshotResult.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a SnapshotResult message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.SnapshotResult & quorate.peer.SnapshotResult.$Shape} SnapshotResult
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.SnapshotResult & quorate.peer.SnapshotResult.$Shape;
        }

        namespace SnapshotResult {

            /** Properties of a SnapshotResult. */
            interface $Properties {

                /** SnapshotResult id */
                id?: (string|null);

                /** SnapshotResult ok */
                ok?: (boolean|null);

                /** SnapshotResult code */
                code?: (string|null);

                /** SnapshotResult reason */
                reason?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of a SnapshotResult. */
            type $Shape = quorate.peer.SnapshotResult.$Properties;
        }

        /**
         * Properties of a SnapshotMessage.
         * @deprecated Use quorate.peer.SnapshotMessage.$Properties instead.
         */
        interface ISnapshotMessage extends quorate.peer.SnapshotMessage.$Properties {
        }

        /** Represents a SnapshotMessage. */
        class SnapshotMessage {

            /**
             * Constructs a new SnapshotMessage.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.SnapshotMessage.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** SnapshotMessage offer. */
            offer?: (quorate.peer.SnapshotOffer.$Properties|null);

            /** SnapshotMessage progress. */
            progress?: (quorate.peer.SnapshotProgress.$Properties|null);

            /** SnapshotMessage chunk. */
            chunk?: (quorate.peer.SnapshotChunk.$Properties|null);

            /** SnapshotMessage result. */
            result?: (quorate.peer.SnapshotResult.$Properties|null);

            /** SnapshotMessage body. */
            body?: ("offer"|"progress"|"chunk"|"result");

            /**
             * Encodes the specified SnapshotMessage message. Does not implicitly {@link quorate.peer.SnapshotMessage.verify|verify} messages.
             * @param message SnapshotMessage message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.SnapshotMessage.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes a SnapshotMessage message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.SnapshotMessage & quorate.peer.SnapshotMessage.$Shape} SnapshotMessage
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.SnapshotMessage & quorate.peer.SnapshotMessage.$Shape;
        }

        namespace SnapshotMessage {

            /** Properties of a SnapshotMessage. */
            interface $Properties {

                /** SnapshotMessage offer */
                offer?: (quorate.peer.SnapshotOffer.$Properties|null);

                /** SnapshotMessage progress */
                progress?: (quorate.peer.SnapshotProgress.$Properties|null);

                /** SnapshotMessage chunk */
                chunk?: (quorate.peer.SnapshotChunk.$Properties|null);

                /** SnapshotMessage result */
                result?: (quorate.peer.SnapshotResult.$Properties|null);

                /** SnapshotMessage body */
                body?: ("offer"|"progress"|"chunk"|"result");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of a SnapshotMessage. */
            type $Shape = {
              offer?: quorate.peer.SnapshotOffer.$Shape|null;
              progress?: quorate.peer.SnapshotProgress.$Shape|null;
              chunk?: quorate.peer.SnapshotChunk.$Shape|null;
              result?: quorate.peer.SnapshotResult.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ body?: undefined; offer?: null; progress?: null; chunk?: null; result?: null }|{ body?: "offer"; offer: quorate.peer.SnapshotOffer.$Shape; progress?: null; chunk?: null; result?: null }|{ body?: "progress"; offer?: null; progress: quorate.peer.SnapshotProgress.$Shape; chunk?: null; result?: null }|{ body?: "chunk"; offer?: null; progress?: null; chunk: quorate.peer.SnapshotChunk.$Shape; result?: null }|{ body?: "result"; offer?: null; progress?: null; chunk?: null; result: quorate.peer.SnapshotResult.$Shape })
            );
        }

        /**
         * Properties of an AdminJoin.
         * @deprecated Use quorate.peer.AdminJoin.$Properties instead.
         */
        interface IAdminJoin extends quorate.peer.AdminJoin.$Properties {
        }

        /** Represents an AdminJoin. */
        class AdminJoin {

            /**
             * Constructs a new AdminJoin.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.AdminJoin.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** AdminJoin nodeId. */
            nodeId: string;

            /** AdminJoin peer. */
            peer: string;

            /** AdminJoin voter. */
            voter: boolean;

            /** AdminJoin replaces. */
            replaces: string;

            /**
             * Encodes the specified AdminJoin message. Does not implicitly {@link quorate.peer.AdminJoin.verify|verify} messages.
             * @param message AdminJoin message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.AdminJoin.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an AdminJoin message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.AdminJoin & quorate.peer.AdminJoin.$Shape} AdminJoin
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.AdminJoin & quorate.peer.AdminJoin.$Shape;
        }

        namespace AdminJoin {

            /** Properties of an AdminJoin. */
            interface $Properties {

                /** AdminJoin nodeId */
                nodeId?: (string|null);

                /** AdminJoin peer */
                peer?: (string|null);

                /** AdminJoin voter */
                voter?: (boolean|null);

                /** AdminJoin replaces */
                replaces?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an AdminJoin. */
            type $Shape = quorate.peer.AdminJoin.$Properties;
        }

        /**
         * Properties of an AdminRemove.
         * @deprecated Use quorate.peer.AdminRemove.$Properties instead.
         */
        interface IAdminRemove extends quorate.peer.AdminRemove.$Properties {
        }

        /** Represents an AdminRemove. */
        class AdminRemove {

            /**
             * Constructs a new AdminRemove.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.AdminRemove.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** AdminRemove nodeId. */
            nodeId: string;

            /**
             * Encodes the specified AdminRemove message. Does not implicitly {@link quorate.peer.AdminRemove.verify|verify} messages.
             * @param message AdminRemove message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.AdminRemove.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an AdminRemove message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.AdminRemove & quorate.peer.AdminRemove.$Shape} AdminRemove
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.AdminRemove & quorate.peer.AdminRemove.$Shape;
        }

        namespace AdminRemove {

            /** Properties of an AdminRemove. */
            interface $Properties {

                /** AdminRemove nodeId */
                nodeId?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an AdminRemove. */
            type $Shape = quorate.peer.AdminRemove.$Properties;
        }

        /**
         * Properties of an AdminTransfer.
         * @deprecated Use quorate.peer.AdminTransfer.$Properties instead.
         */
        interface IAdminTransfer extends quorate.peer.AdminTransfer.$Properties {
        }

        /** Represents an AdminTransfer. */
        class AdminTransfer {

            /**
             * Constructs a new AdminTransfer.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.AdminTransfer.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** AdminTransfer to. */
            to: string;

            /**
             * Encodes the specified AdminTransfer message. Does not implicitly {@link quorate.peer.AdminTransfer.verify|verify} messages.
             * @param message AdminTransfer message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.AdminTransfer.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an AdminTransfer message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.AdminTransfer & quorate.peer.AdminTransfer.$Shape} AdminTransfer
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.AdminTransfer & quorate.peer.AdminTransfer.$Shape;
        }

        namespace AdminTransfer {

            /** Properties of an AdminTransfer. */
            interface $Properties {

                /** AdminTransfer to */
                to?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an AdminTransfer. */
            type $Shape = quorate.peer.AdminTransfer.$Properties;
        }

        /**
         * Properties of an AdminRequest.
         * @deprecated Use quorate.peer.AdminRequest.$Properties instead.
         */
        interface IAdminRequest extends quorate.peer.AdminRequest.$Properties {
        }

        /** Represents an AdminRequest. */
        class AdminRequest {

            /**
             * Constructs a new AdminRequest.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.AdminRequest.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** AdminRequest id. */
            id: number;

            /** AdminRequest join. */
            join?: (quorate.peer.AdminJoin.$Properties|null);

            /** AdminRequest remove. */
            remove?: (quorate.peer.AdminRemove.$Properties|null);

            /** AdminRequest transfer. */
            transfer?: (quorate.peer.AdminTransfer.$Properties|null);

            /** AdminRequest body. */
            body?: ("join"|"remove"|"transfer");

            /**
             * Encodes the specified AdminRequest message. Does not implicitly {@link quorate.peer.AdminRequest.verify|verify} messages.
             * @param message AdminRequest message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.AdminRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an AdminRequest message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.AdminRequest & quorate.peer.AdminRequest.$Shape} AdminRequest
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.AdminRequest & quorate.peer.AdminRequest.$Shape;
        }

        namespace AdminRequest {

            /** Properties of an AdminRequest. */
            interface $Properties {

                /** AdminRequest id */
                id?: (number|null);

                /** AdminRequest join */
                join?: (quorate.peer.AdminJoin.$Properties|null);

                /** AdminRequest remove */
                remove?: (quorate.peer.AdminRemove.$Properties|null);

                /** AdminRequest transfer */
                transfer?: (quorate.peer.AdminTransfer.$Properties|null);

                /** AdminRequest body */
                body?: ("join"|"remove"|"transfer");

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Narrowed shape of an AdminRequest. */
            type $Shape = {
              id?: number|null;
              join?: quorate.peer.AdminJoin.$Shape|null;
              remove?: quorate.peer.AdminRemove.$Shape|null;
              transfer?: quorate.peer.AdminTransfer.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ body?: undefined; join?: null; remove?: null; transfer?: null }|{ body?: "join"; join: quorate.peer.AdminJoin.$Shape; remove?: null; transfer?: null }|{ body?: "remove"; join?: null; remove: quorate.peer.AdminRemove.$Shape; transfer?: null }|{ body?: "transfer"; join?: null; remove?: null; transfer: quorate.peer.AdminTransfer.$Shape })
            );
        }

        /**
         * Properties of an AdminResponse.
         * @deprecated Use quorate.peer.AdminResponse.$Properties instead.
         */
        interface IAdminResponse extends quorate.peer.AdminResponse.$Properties {
        }

        /** Represents an AdminResponse. */
        class AdminResponse {

            /**
             * Constructs a new AdminResponse.
             * @param [properties] Properties to set
             */
            constructor(properties?: quorate.peer.AdminResponse.$Properties);

            /** Unknown fields preserved while decoding when enabled */
            $unknowns?: Uint8Array[];

            /** AdminResponse id. */
            id: number;

            /** AdminResponse ok. */
            ok: boolean;

            /** AdminResponse code. */
            code: string;

            /** AdminResponse reason. */
            reason: string;

            /**
             * Encodes the specified AdminResponse message. Does not implicitly {@link quorate.peer.AdminResponse.verify|verify} messages.
             * @param message AdminResponse message or plain object to encode
             * @param [writer] Writer to encode to
             * @returns Writer
             */
            static encode(message: quorate.peer.AdminResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

            /**
             * Decodes an AdminResponse message from the specified reader or buffer.
             * @param reader Reader or buffer to decode from
             * @param [length] Message length if known beforehand
             * @returns {quorate.peer.AdminResponse & quorate.peer.AdminResponse.$Shape} AdminResponse
             * @throws {Error} If the payload is not a reader or valid buffer
             * @throws {$protobuf.util.ProtocolError} If required fields are missing
             */
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): quorate.peer.AdminResponse & quorate.peer.AdminResponse.$Shape;
        }

        namespace AdminResponse {

            /** Properties of an AdminResponse. */
            interface $Properties {

                /** AdminResponse id */
                id?: (number|null);

                /** AdminResponse ok */
                ok?: (boolean|null);

                /** AdminResponse code */
                code?: (string|null);

                /** AdminResponse reason */
                reason?: (string|null);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];
            }

            /** Shape of an AdminResponse. */
            type $Shape = quorate.peer.AdminResponse.$Properties;
        }
    }
}
