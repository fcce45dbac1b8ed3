package export

// ResourceRow is one resource of a snapshot: one row of the table resources.
type ResourceRow struct {
	ResourceKey      string            `parquet:"resource_key"`
	ARN              *string           `parquet:"arn"`
	Type             string            `parquet:"type,dict"` // CloudFormation type
	ResourceID       string            `parquet:"resource_id"`
	Name             *string           `parquet:"name"`
	AccountID        string            `parquet:"account_id,dict"`
	AccountAlias     *string           `parquet:"account_alias,dict"`
	Region           string            `parquet:"region,dict"` // "global" for global services
	AvailabilityZone *string           `parquet:"availability_zone,dict"`
	State            string            `parquet:"state,dict"`  // creating, active, stopped, deleted or unknown
	Origin           string            `parquet:"origin,dict"` // event, seed, touched or implied
	Owner            *string           `parquet:"owner,dict"`
	Environment      *string           `parquet:"environment,dict"`
	InstanceType     *string           `parquet:"instance_type,dict"`
	ImageID          *string           `parquet:"image_id,dict"`
	VPCID            *string           `parquet:"vpc_id,dict"`
	SubnetID         *string           `parquet:"subnet_id,dict"`
	PrivateDNSName   *string           `parquet:"private_dns_name"`
	PrivateIP        *string           `parquet:"private_ip"`
	PublicIP         *string           `parquet:"public_ip"`
	Engine           *string           `parquet:"engine,dict"`
	EngineVersion    *string           `parquet:"engine_version,dict"`
	Class            *string           `parquet:"class,dict"`
	MultiAZ          *bool             `parquet:"multi_az"`
	Runtime          *string           `parquet:"runtime,dict"`
	Encrypted        *bool             `parquet:"encrypted"`
	IsPublic         *bool             `parquet:"is_public"`
	Tags             map[string]string `parquet:"tags"`
	Attributes       map[string]string `parquet:"attributes"`
	Unknown          []string          `parquet:"unknown,list" parquet-element:",dict"`
	Relations        []Relation        `parquet:"relations,list"`
	CreatedTS        *int64            `parquet:"created_ts,timestamp"`
	CreatedBy        *string           `parquet:"created_by"`
	CreatedVia       *string           `parquet:"created_via,dict"`
	CreatedEventID   *string           `parquet:"created_event_id"`
	ChangedTS        int64             `parquet:"changed_ts,timestamp"`
	ChangedBy        *string           `parquet:"changed_by"`
	ChangedEventID   string            `parquet:"changed_event_id"`
	ChangedEventName string            `parquet:"changed_event_name,dict"`
	DeletedTS        *int64            `parquet:"deleted_ts,timestamp"`
	DeletedBy        *string           `parquet:"deleted_by"`
	DeletedEventID   *string           `parquet:"deleted_event_id"`
	FirstSeenTS      int64             `parquet:"first_seen_ts,timestamp"`
	EventIDs         []string          `parquet:"event_ids,list" parquet-element:",dict"` // the newest 8
	SnapshotTS       int64             `parquet:"snapshot_ts,timestamp"`
	WatermarkTS      int64             `parquet:"watermark_ts,timestamp"`
	Shard            string            `parquet:"shard,dict"`
}

// Relation is an edge from a resource to another.
type Relation struct {
	Kind        string `parquet:"kind,dict"`
	Type        string `parquet:"type,dict"`
	ResourceKey string `parquet:"resource_key"`
}

// ChangeRow is what one event says of one resource: one row of the table
// resource_changes. Readers fold the rows of a resource in Version order.
type ChangeRow struct {
	ResourceKey      string            `parquet:"resource_key"`
	ARN              *string           `parquet:"arn"`
	Type             string            `parquet:"type,dict"`
	ResourceID       string            `parquet:"resource_id"`
	AccountID        string            `parquet:"account_id,dict"`
	AccountAlias     *string           `parquet:"account_alias,dict"`
	Region           string            `parquet:"region,dict"`
	Effect           string            `parquet:"effect,dict"` // create, update, delete, tag, untag, attach, detach, touch, seed or drift
	State            *string           `parquet:"state,dict"`
	Alive            *bool             `parquet:"alive"`
	Version          string            `parquet:"version"` // <event time, ms>/<rank>/<event id>
	EventTS          int64             `parquet:"event_ts,timestamp"`
	EventID          string            `parquet:"event_id"`
	EventName        string            `parquet:"event_name,dict"`
	EventSource      string            `parquet:"event_source,dict"`
	ArrivalTS        int64             `parquet:"arrival_ts,timestamp"`
	Late             bool              `parquet:"late"`
	Stale            bool              `parquet:"stale"`
	ActorRoot        *string           `parquet:"actor_root,dict"`
	ActorRole        *string           `parquet:"actor_role,dict"`
	ActorSession     *string           `parquet:"actor_session,dict"`
	Via              *string           `parquet:"via,dict"`
	AttributesSet    map[string]string `parquet:"attributes_set,optional"`
	AttributesUnset  []string          `parquet:"attributes_unset,list,optional" parquet-element:",dict"`
	AttributesBefore map[string]string `parquet:"attributes_before,optional"`
	TagsSet          map[string]string `parquet:"tags_set,optional"`
	TagsUnset        []string          `parquet:"tags_unset,list,optional" parquet-element:",dict"`
	TagsReplaced     bool              `parquet:"tags_replaced"`
	RelationsAdded   []Relation        `parquet:"relations_added,list,optional"`
	RelationsRemoved []Relation        `parquet:"relations_removed,list,optional"`
	Shard            string            `parquet:"shard,dict"`
	Sequence         string            `parquet:"sequence"`
	Ordinal          int32             `parquet:"ordinal"`
}
