package export

// FindingRow is one step in the life of a finding: one row of the table
// findings. All steps of a finding share its id.
type FindingRow struct {
	FindingID      string            `parquet:"finding_id"`
	RuleID         string            `parquet:"rule_id,dict"`
	RuleVersion    string            `parquet:"rule_version,dict"`
	RuleTitle      string            `parquet:"rule_title,dict"`
	RuleKind       string            `parquet:"rule_kind,dict"` // match, correlation, first_seen, baseline or resource
	Severity       string            `parquet:"severity,dict"`
	Tags           []string          `parquet:"tags,list,optional" parquet-element:",dict"`
	State          string            `parquet:"state,dict"` // open or resolved
	StateReason    *string           `parquet:"state_reason"`
	EventTS        int64             `parquet:"event_ts,timestamp"`
	ArrivalTS      int64             `parquet:"arrival_ts,timestamp"`
	AccountID      *string           `parquet:"account_id,dict"`
	AccountAlias   *string           `parquet:"account_alias,dict"`
	Region         *string           `parquet:"region,dict"`
	ActorRoot      *string           `parquet:"actor_root,dict"`
	ActorRole      *string           `parquet:"actor_role,dict"`
	ActorSession   *string           `parquet:"actor_session,dict"`
	WindowStartTS  *int64            `parquet:"window_start_ts,timestamp"`
	WindowEndTS    *int64            `parquet:"window_end_ts,timestamp"`
	GroupKey       map[string]string `parquet:"group_key,optional"`
	Observed       *float64          `parquet:"observed"`
	Threshold      *float64          `parquet:"threshold"`
	Expected       *float64          `parquet:"expected"`
	EventCount     int64             `parquet:"event_count"`
	EventIDs       []string          `parquet:"event_ids,list" parquet-element:",dict"` // the newest 100
	TriggerEventID string            `parquet:"trigger_event_id"`
	ResourceKeys   []string          `parquet:"resource_keys,list,optional" parquet-element:",dict"`
	Fields         map[string]string `parquet:"fields,optional"`
	Summary        string            `parquet:"summary"`
	SuppressedBy   *string           `parquet:"suppressed_by,dict"`
	Staged         bool              `parquet:"staged"`
	Shard          string            `parquet:"shard,dict"`
	Sequence       string            `parquet:"sequence"`
}

// BeganField and EndedField are the names in Fields of the times, RFC 3339, of
// the first and the last event of a correlation's finding: its window may reach
// further.
const (
	BeganField = "events.first"
	EndedField = "events.last"
)

// ReasonField is the name in Fields of why a finding ended; NotKnown says that
// its resource was changed in a way which left open whether it still holds.
const (
	ReasonField = "reason"
	NotKnown    = "no_longer_known"
)
