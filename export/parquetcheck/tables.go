package parquetcheck

import "strings"

// The five tables, spelled out here a second time on purpose: a column that the writer renames, retypes, moves or makes nullable
// by mistake differs from this list. A new column is added here by hand, nullable and at the end of its table.

// The keys of the file's metadata. Nothing in them tells when or by which build a file was written.
const (
	TableKey         = "cairn.table"
	SchemaKey        = "cairn.schema"
	ShardKey         = "cairn.shard"
	CheckpointKey    = "cairn.checkpoint"
	FirstSequenceKey = "cairn.first_sequence"
	LastSequenceKey  = "cairn.last_sequence"
)

const eventColumns = `
eventversion string?
useridentity struct<type:string?,principalid:string?,arn:string?,accountid:string?,invokedby:string?,accesskeyid:string?,username:string?,
  onbehalfof:struct<userid:string?,identitystorearn:string?>?,
  sessioncontext:struct<attributes:struct<mfaauthenticated:string?,creationdate:string?>?,
    sessionissuer:struct<type:string?,principalid:string?,arn:string?,accountid:string?,username:string?>?,
    ec2roledelivery:string?,webidfederationdata:struct<federatedprovider:string?,attributes:map<string,string>?>?,
    sourceidentity:string?,assumedroot:string?>?,
  invokedbydelegate:struct<accountid:string?>?,
  inscopeof:struct<sourcearn:string?,sourceaccount:string?,issuertype:string?,credentialsissuedto:string?>?,
  credentialid:string?,identityprovider:string?>?
eventtime string
eventsource string?
eventname string?
awsregion string?
sourceipaddress string?
useragent string?
errorcode string?
errormessage string?
requestparameters string?
responseelements string?
additionaleventdata string?
requestid string?
eventid string
readonly string?
resources array<struct<arn:string?,accountid:string?,type:string?>?>?
eventtype string?
apiversion string?
recipientaccountid string?
serviceeventdetails string?
sharedeventid string?
vpcendpointid string?
vpcendpointaccountid string?
eventcategory string?
addendum struct<reason:string?,updatedfields:string?,originalrequestid:string?,originaleventid:string?>?
sessioncredentialfromconsole string?
edgedevicedetails string?
tlsdetails struct<tlsversion:string?,ciphersuite:string?,clientprovidedhostheader:string?>?
managementevent string?
insightdetails string?
eventcontext string?
extra string?
event_ts timestamp
arrival_ts timestamp
late boolean
account_alias string?
actor_root string?
actor_role string?
actor_session string?
actor_complete boolean
finding_ids array<string>?
shard string
sequence string
ordinal int
`

const findingColumns = `
finding_id string
rule_id string
rule_version string
rule_title string
rule_kind string
severity string
tags array<string>?
state string
state_reason string?
event_ts timestamp
arrival_ts timestamp
account_id string?
account_alias string?
region string?
actor_root string?
actor_role string?
actor_session string?
window_start_ts timestamp?
window_end_ts timestamp?
group_key map<string,string>?
observed double?
threshold double?
expected double?
event_count bigint
event_ids array<string>
trigger_event_id string
resource_keys array<string>?
fields map<string,string>?
summary string
suppressed_by string?
staged boolean
shard string
sequence string
`

const resourceColumns = `
resource_key string
arn string?
type string
resource_id string
name string?
account_id string
account_alias string?
region string
availability_zone string?
state string
origin string
owner string?
environment string?
instance_type string?
image_id string?
vpc_id string?
subnet_id string?
private_dns_name string?
private_ip string?
public_ip string?
engine string?
engine_version string?
class string?
multi_az boolean?
runtime string?
encrypted boolean?
is_public boolean?
tags map<string,string>
attributes map<string,string>
unknown array<string>
relations array<struct<kind:string,type:string,resource_key:string>>
created_ts timestamp?
created_by string?
created_via string?
created_event_id string?
changed_ts timestamp
changed_by string?
changed_event_id string
changed_event_name string
deleted_ts timestamp?
deleted_by string?
deleted_event_id string?
first_seen_ts timestamp
event_ids array<string>
snapshot_ts timestamp
watermark_ts timestamp
shard string
`

const changeColumns = `
resource_key string
arn string?
type string
resource_id string
account_id string
account_alias string?
region string
effect string
state string?
alive boolean?
version string
event_ts timestamp
event_id string
event_name string
event_source string
arrival_ts timestamp
late boolean
stale boolean
actor_root string?
actor_role string?
actor_session string?
via string?
attributes_set map<string,string>?
attributes_unset array<string>?
attributes_before map<string,string>?
tags_set map<string,string>?
tags_unset array<string>?
tags_replaced boolean
relations_added array<struct<kind:string,type:string,resource_key:string>>?
relations_removed array<struct<kind:string,type:string,resource_key:string>>?
shard string
sequence string
ordinal int
`

const progressColumns = `
table_name string
snapshot_id string?
shard string
hash_share double
checkpoint bigint
epoch bigint
first_sequence string?
last_sequence string?
watermark_from_ts timestamp?
watermark_ts timestamp
first_event_ts timestamp?
last_event_ts timestamp?
first_arrival_ts timestamp?
last_arrival_ts timestamp?
row_count bigint
byte_count bigint
late bigint
duplicates bigint
quarantined bigint
control bigint
gaps array<struct<from_sequence:string,to_sequence:string,reason:string>>
files array<string>
closed boolean
`

// Tables returns the tables of the lake, as Check wants them.
func Tables() []Table {
	return []Table{
		cairnTable("events", eventColumns, "recipientaccountid eventtime eventid", "eventid useridentity.accesskeyid"),
		cairnTable("findings", findingColumns, "account_id event_ts finding_id state state_reason", "finding_id"),
		cairnTable("resources", resourceColumns, "resource_key", "resource_key arn"),
		cairnTable("resource_changes", changeColumns, "resource_key version", "resource_key arn"),
		cairnTable("progress", progressColumns, "table_name shard checkpoint", ""),
	}
}

func cairnTable(name, columns, sorting, filters string) Table {
	return Table{
		Name: name, Columns: parseColumns(columns), Sorting: strings.Fields(sorting), Filters: strings.Fields(filters),
		Metadata:  []string{TableKey, SchemaKey, ShardKey, CheckpointKey, FirstSequenceKey, LastSequenceKey},
		CreatedBy: CreatedBy,
	}
}

// parseColumns reads lines of name and type; an indented line goes on with the type before it.
func parseColumns(text string) []Column {
	var columns []Column
	for line := range strings.Lines(strings.ReplaceAll(strings.TrimSpace(text), "\n  ", "")) {
		name, typ, _ := strings.Cut(strings.TrimSpace(line), " ")
		columns = append(columns, Column{Name: name, Type: strings.ReplaceAll(typ, " ", "")})
	}
	return columns
}

// DDL is the column's type as it stands in a table definition, which knows nothing of NULL.
func (c Column) DDL() string { return strings.ReplaceAll(c.Type, "?", "") }
