-- The tables that the migrations make, read from the catalog. Made by `npm run db:schema`; a test compares it.

create table agent_delivery_logs (
  id text collate "C" not null,
  agent_id text collate "C" not null,
  turn_id text collate "C" not null,
  session_id text collate "C" not null,
  attempt smallint not null,
  status text not null,
  http_status smallint,
  latency_ms integer not null,
  response_excerpt text,
  error_reason text,
  inserted_at timestamp(3) with time zone not null default now(),
  constraint agent_delivery_logs_pkey PRIMARY KEY (id),
  constraint agent_delivery_logs_status_check CHECK ((status = ANY (ARRAY['sent'::text, 'retry'::text, 'failed'::text])))
);
CREATE INDEX agent_delivery_logs_by_agent ON public.agent_delivery_logs USING btree (agent_id, id DESC);
CREATE INDEX agent_delivery_logs_inserted ON public.agent_delivery_logs USING btree (inserted_at);

create table agent_endpoints (
  agent_id text collate "C" not null,
  origin_url text not null,
  auth_strategy text not null default 'none'::text,
  auth_value text,
  headers json not null default '{}'::json,
  timeout_ms integer not null,
  idle_timeout_ms integer not null,
  max_duration_ms integer not null,
  max_attempts smallint not null,
  backoff_ms integer[] not null,
  history_mode text not null,
  history_limit smallint not null,
  debounce_ms integer not null default 0,
  when_busy text not null default 'queue'::text,
  status text not null default 'enabled'::text,
  signing_secret text not null,
  previous_secret text,
  previous_secret_until timestamp(3) with time zone,
  inserted_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  constraint agent_endpoints_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES participants(id),
  constraint agent_endpoints_auth_strategy_check CHECK ((auth_strategy = ANY (ARRAY['none'::text, 'bearer'::text, 'hmac'::text]))),
  constraint agent_endpoints_check CHECK (((auth_value IS NULL) = (auth_strategy = 'none'::text))),
  constraint agent_endpoints_headers_check CHECK ((json_typeof(headers) = 'object'::text)),
  constraint agent_endpoints_history_mode_check CHECK ((history_mode = ANY (ARRAY['tail'::text, 'last'::text, 'entire'::text]))),
  constraint agent_endpoints_pkey PRIMARY KEY (agent_id),
  constraint agent_endpoints_status_check CHECK ((status = ANY (ARRAY['enabled'::text, 'disabled'::text]))),
  constraint agent_endpoints_when_busy_check CHECK ((when_busy = ANY (ARRAY['queue'::text, 'interrupt'::text])))
);

create table agent_stream_segments (
  stream_id text collate "C" not null,
  first_index integer not null,
  next_index integer not null,
  chunks text not null,
  constraint agent_stream_segments_pkey PRIMARY KEY (stream_id, first_index)
);

create table agent_turns (
  id text collate "C" not null,
  agent_id text collate "C" not null,
  session_id text collate "C" not null,
  from_seq bigint not null,
  to_seq bigint not null,
  status text not null default 'pending'::text,
  attempt smallint not null default 0,
  epoch integer not null default 0,
  hop smallint not null,
  lease_owner text collate "C",
  lease_until timestamp(3) with time zone,
  next_attempt_at timestamp(3) with time zone not null default now(),
  stop_requested_at timestamp(3) with time zone,
  stream_id text collate "C",
  message_id text collate "C",
  reply_seq bigint,
  error text,
  is_written boolean not null default false,
  inserted_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  constraint agent_turns_check CHECK ((to_seq >= from_seq)),
  constraint agent_turns_pkey PRIMARY KEY (id),
  constraint agent_turns_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'running'::text, 'completed'::text, 'failed'::text, 'stopped'::text, 'dead'::text])))
) with (fillfactor=70);
CREATE INDEX agent_turns_by_agent ON public.agent_turns USING btree (agent_id, id DESC);
CREATE INDEX agent_turns_by_session ON public.agent_turns USING btree (session_id, agent_id, id DESC);
CREATE INDEX agent_turns_due ON public.agent_turns USING btree (agent_id, next_attempt_at) WHERE (status = 'pending'::text);
CREATE UNIQUE INDEX agent_turns_pending ON public.agent_turns USING btree (session_id, agent_id) WHERE (status = 'pending'::text);
CREATE UNIQUE INDEX agent_turns_running ON public.agent_turns USING btree (session_id, agent_id) WHERE (status = 'running'::text);
CREATE UNIQUE INDEX agent_turns_stream ON public.agent_turns USING btree (stream_id) WHERE (stream_id IS NOT NULL);
CREATE INDEX agent_turns_unanswered ON public.agent_turns USING btree (agent_id, id DESC) WHERE (status = ANY (ARRAY['failed'::text, 'stopped'::text, 'dead'::text]));

create table chat_messages (
  session_id text collate "C" not null,
  seq bigint not null,
  id text collate "C" not null,
  sender_id text collate "C" not null,
  kind text not null,
  content json not null,
  metadata json not null,
  size integer not null,
  shard_key smallint not null,
  client_id text collate "C",
  hop smallint not null default 0,
  inserted_at timestamp(3) with time zone not null,
  constraint chat_messages_content_check CHECK ((json_typeof(content) = 'object'::text)),
  constraint chat_messages_kind_check CHECK ((kind = ANY (ARRAY['text'::text, 'system'::text, 'tool_call'::text, 'assistant'::text]))),
  constraint chat_messages_metadata_check CHECK ((json_typeof(metadata) = 'object'::text)),
  constraint chat_messages_pkey PRIMARY KEY (session_id, seq),
  constraint chat_messages_seq_check CHECK ((seq > 0)),
  constraint chat_messages_shard_key_check CHECK (((shard_key >= 0) AND (shard_key <= 1023)))
);
CREATE UNIQUE INDEX chat_messages_client_id ON public.chat_messages USING btree (session_id, sender_id, client_id) WHERE (client_id IS NOT NULL);
CREATE UNIQUE INDEX chat_messages_id ON public.chat_messages USING btree (id);

create table chat_sessions (
  id text collate "C" not null,
  kind text not null,
  status text not null default 'open'::text,
  initiator_id text collate "C" not null,
  peer_id text collate "C",
  agent_id text collate "C",
  metadata json not null default '{}'::json,
  version integer not null default 1,
  last_seq bigint not null default 0,
  last_message_id text collate "C",
  last_message_at timestamp(3) with time zone,
  inserted_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  agent_ids text[] collate "C",
  constraint chat_sessions_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES participants(id),
  constraint chat_sessions_check CHECK (((kind = 'group'::text) = (peer_id IS NULL))),
  constraint chat_sessions_initiator_id_fkey FOREIGN KEY (initiator_id) REFERENCES participants(id),
  constraint chat_sessions_kind_check CHECK ((kind = ANY (ARRAY['human_dm'::text, 'agent_dm'::text, 'group'::text]))),
  constraint chat_sessions_metadata_check CHECK ((json_typeof(metadata) = 'object'::text)),
  constraint chat_sessions_peer_id_fkey FOREIGN KEY (peer_id) REFERENCES participants(id),
  constraint chat_sessions_pkey PRIMARY KEY (id),
  constraint chat_sessions_status_check CHECK ((status = ANY (ARRAY['open'::text, 'closed'::text, 'archived'::text])))
) with (fillfactor=70);

create table participants (
  id text collate "C" not null,
  kind text not null,
  display_name text,
  status text not null default 'active'::text,
  metadata json not null default '{}'::json,
  inserted_at timestamp(3) with time zone not null default now(),
  updated_at timestamp(3) with time zone not null default now(),
  constraint participants_id_check CHECK (((char_length(id) >= 1) AND (char_length(id) <= 128))),
  constraint participants_kind_check CHECK ((kind = ANY (ARRAY['user'::text, 'agent'::text, 'system'::text]))),
  constraint participants_metadata_check CHECK ((json_typeof(metadata) = 'object'::text)),
  constraint participants_pkey PRIMARY KEY (id),
  constraint participants_status_check CHECK ((status = ANY (ARRAY['active'::text, 'disabled'::text])))
);

create table session_members (
  session_id text collate "C" not null,
  participant_id text collate "C" not null,
  role text not null,
  wake text not null default 'mention'::text,
  last_read_seq bigint not null default 0,
  last_read_message_id text collate "C",
  last_read_at timestamp(3) with time zone,
  own_sent bigint not null default 0,
  own_sent_through_read bigint not null default 0,
  activity_at timestamp(3) with time zone not null default now(),
  listed boolean not null default true,
  joined_at timestamp(3) with time zone not null default now(),
  left_at timestamp(3) with time zone,
  constraint session_members_check CHECK ((own_sent_through_read <= own_sent)),
  constraint session_members_participant_id_fkey FOREIGN KEY (participant_id) REFERENCES participants(id),
  constraint session_members_pkey PRIMARY KEY (session_id, participant_id),
  constraint session_members_role_check CHECK ((role = ANY (ARRAY['initiator'::text, 'peer'::text, 'member'::text]))),
  constraint session_members_session_id_fkey FOREIGN KEY (session_id) REFERENCES chat_sessions(id),
  constraint session_members_wake_check CHECK ((wake = ANY (ARRAY['mention'::text, 'always'::text, 'never'::text])))
) with (fillfactor=70);
CREATE INDEX session_members_current ON public.session_members USING btree (participant_id, session_id) WHERE (left_at IS NULL);
CREATE INDEX session_members_inbox ON public.session_members USING btree (participant_id, activity_at DESC, session_id DESC) WHERE listed;

CREATE OR REPLACE FUNCTION public.make_ulid(at timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 PARALLEL SAFE
AS $function$
  select string_agg(
    substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', 1 + case
      when place <= 10 then (((extract(epoch from at) * 1000)::bigint >> (50 - 5 * place)) & 31)::integer
      else floor(random() * 32)::integer
    end, 1), '' order by place)
  from generate_series(1, 26) place
$function$
;

CREATE OR REPLACE FUNCTION public.message_preview(content json)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select left(
    case
      when json_typeof(content -> 'text') = 'string' then content ->> 'text'
      when json_typeof(content -> 'parts') = 'array' then text_of_parts(content -> 'parts')
    end,
    140)
$function$
;

CREATE OR REPLACE FUNCTION public.text_of_parts(parts json)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select string_agg(part ->> 'text', '' order by position)
  from json_array_elements(parts) with ordinality as p (part, position)
  where part ->> 'type' = 'text' and json_typeof(part -> 'text') = 'string'
$function$
;
