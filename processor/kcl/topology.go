package kcl

import (
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// topology is what the stream lists: its shards, and which came from which. It
// is read from the answers to the library's own calls of ListShards.
type topology struct {
	name string // of the stream

	mu      sync.Mutex
	shards  map[string]types.Shard
	partial map[string]types.Shard // pages of a list that is not complete yet
}

// listed takes in one page of a list.
func (t *topology) listed(in *kinesis.ListShardsInput, out *kinesis.ListShardsOutput) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if in.NextToken == nil || t.partial == nil {
		t.partial = map[string]types.Shard{}
	}
	for _, s := range out.Shards {
		t.partial[aws.ToString(s.ShardId)] = s
	}
	if out.NextToken == nil {
		t.shards, t.partial = t.partial, nil
	}
}

// shard looks up a shard of the last complete list.
func (t *topology) shard(id string) (types.Shard, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.shards[id]
	return s, ok
}

// parents are the shards that one was split or merged from and that the stream
// still lists; false: the stream does not list the shard itself.
func (t *topology) parents(id string) ([]string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.shards[id]
	var out []string
	for _, p := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
		if _, there := t.shards[aws.ToString(p)]; there {
			out = append(out, *p)
		}
	}
	return out, ok
}

// born tells that a shard came from others, whether the stream still lists them
// or not.
func (t *topology) born(id string) bool {
	s, _ := t.shard(id)
	return aws.ToString(s.ParentShardId) != "" || aws.ToString(s.AdjacentParentShardId) != ""
}
