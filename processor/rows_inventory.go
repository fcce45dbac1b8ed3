package processor

import (
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/resource"
)

// changeRow is the row of a change: what its event says, no after-image.
func changeRow(v resource.ChangeView, p *place, shard string) export.ChangeRow {
	return export.ChangeRow{
		ResourceKey: v.Key.String(), ARN: optional(v.ARN), Type: v.Key.Type, ResourceID: v.Key.ID,
		AccountID: v.Key.Account, AccountAlias: optional(v.AccountAlias), Region: v.Key.Region, Effect: v.Effect, State: optional(v.State), Alive: v.Alive,
		Version: v.Version, EventTS: v.Time.UnixMilli(), EventID: v.EventID, EventName: v.EventName, EventSource: v.EventSource,
		ArrivalTS: p.item.Arrival.UnixMilli(), Late: p.late, Stale: v.Stale,
		ActorRoot: optional(v.Actor.Root), ActorRole: optional(v.Actor.Role), ActorSession: optional(v.Actor.Session), Via: optional(v.Actor.Via),
		AttributesSet: attributes(v.Set), AttributesUnset: v.Unset, AttributesBefore: attributes(v.Before),
		TagsSet: attributes(v.Tags), TagsUnset: v.Untag, TagsReplaced: v.TagsReplaced,
		RelationsAdded: relations(v.RelationsAdded), RelationsRemoved: relations(v.RelationsRemoved),
		Shard: shard, Sequence: p.item.Sequence, Ordinal: p.item.Ordinal,
	}
}

// ResourceRow is the row of a resource as of at; watermark and shard say where
// the knowledge comes from.
func ResourceRow(v *resource.View, at, watermark time.Time, shard string) export.ResourceRow {
	return export.ResourceRow{
		ResourceKey: v.Key.String(), ARN: optional(v.ARN), Type: v.Key.Type, ResourceID: v.Key.ID, Name: optional(v.Name),
		AccountID: v.Key.Account, AccountAlias: optional(v.AccountAlias), Region: v.Key.Region, AvailabilityZone: optional(v.AvailabilityZone),
		State: v.State, Origin: v.Origin, Owner: optional(v.Owner), Environment: optional(v.Environment),
		InstanceType: optional(v.InstanceType), ImageID: optional(v.ImageID), VPCID: optional(v.VPCID), SubnetID: optional(v.SubnetID),
		PrivateDNSName: optional(v.PrivateDNSName), PrivateIP: optional(v.PrivateIP), PublicIP: optional(v.PublicIP),
		Engine: optional(v.Engine), EngineVersion: optional(v.EngineVersion), Class: optional(v.Class), MultiAZ: v.MultiAZ,
		Runtime: optional(v.Runtime), Encrypted: v.Encrypted, IsPublic: v.Public,
		Tags: attributes(v.Tags), Attributes: attributes(v.Attributes), Unknown: v.Unknown, Relations: relations(v.Relations),
		CreatedTS: moment(v.Created), CreatedBy: optional(v.CreatedBy), CreatedVia: optional(v.CreatedVia), CreatedEventID: optional(v.CreatedEventID),
		ChangedTS: v.Changed.UnixMilli(), ChangedBy: optional(v.ChangedBy), ChangedEventID: v.ChangedEventID, ChangedEventName: v.ChangedEventName,
		DeletedTS: moment(v.Deleted), DeletedBy: optional(v.DeletedBy), DeletedEventID: optional(v.DeletedEventID),
		FirstSeenTS: v.FirstSeen.UnixMilli(), EventIDs: v.EventIDs,
		SnapshotTS: at.UnixMilli(), WatermarkTS: watermark.UnixMilli(), Shard: shard,
	}
}

func attributes(attrs []resource.Attr) map[string]string {
	if len(attrs) == 0 {
		return nil
	}
	m := make(map[string]string, len(attrs))
	for _, a := range attrs {
		m[a.Name] = a.Value
	}
	return m
}

func relations(in []resource.Relation) []export.Relation {
	if len(in) == 0 {
		return nil
	}
	out := make([]export.Relation, len(in))
	for i, r := range in {
		out[i] = export.Relation{Kind: r.Kind, Type: r.Type, ResourceKey: r.Key}
	}
	return out
}

// moment is a time in milliseconds, nil for one that is not known.
func moment(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	ms := t.UnixMilli()
	return &ms
}
