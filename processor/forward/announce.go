package forward

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
)

// announced is an object that a message tells of.
type announced struct {
	bucket, key string
	size        int64 // bytes; 0 where the message does not say
}

// message is any of the bodies that tell of new objects.
type message struct {
	// S3 event notification ("Event message structure", S3 user guide); its keys are URL-encoded.
	Records []struct {
		EventSource string `json:"eventSource"`
		EventName   string `json:"eventName"`
		S3          detail `json:"s3"`
	} `json:"Records"`
	// What S3 sends when a notification is configured.
	Event string `json:"Event"`
	// EventBridge; its keys are plain ("EventBridge event message structure", S3 user guide).
	DetailType string `json:"detail-type"`
	Detail     detail `json:"detail"`
	// CloudTrail's own notification ("Configuring Amazon SNS notifications", CloudTrail user guide).
	Bucket string   `json:"s3Bucket"`
	Keys   []string `json:"s3ObjectKey"`
	// An SNS message, unless raw delivery is on.
	Type string `json:"Type"`
	Text string `json:"Message"`
}

type detail struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		Key  string `json:"key"`
		Size int64  `json:"size"`
	} `json:"object"`
}

// maxWraps is how often a body may be wrapped: an event of EventBridge through
// SNS is once.
const maxWraps = 3

// validation is what CloudTrail sends when its topic is configured.
const validation = "CloudTrail validation message"

var errNoAnnouncement = errors.New("it is no S3 event notification, no \"Object Created\" of EventBridge and no notification of CloudTrail")

// announcements takes a body apart. A message may rightly tell of nothing, such
// as of a test or of a removed object.
func announcements(body []byte) ([]announced, error) {
	for range maxWraps {
		if bytes.HasPrefix(bytes.TrimSpace(body), []byte(validation)) {
			return nil, nil
		}
		var m message
		if err := json.Unmarshal(body, &m); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoAnnouncement, err)
		}
		if m.Type != "Notification" {
			return m.objects()
		}
		body = []byte(m.Text)
	}
	return nil, fmt.Errorf("%w: SNS messages inside each other", errNoAnnouncement)
}

func (m *message) objects() ([]announced, error) {
	switch {
	case m.Event == "s3:TestEvent":
		return nil, nil
	case m.Type != "":
		return nil, fmt.Errorf("%w, but an SNS message of type %s", errNoAnnouncement, m.Type)
	case len(m.Keys) > 0:
		return m.fromTrail()
	case m.DetailType == "Object Created":
		return valid([]announced{{m.Detail.Bucket.Name, m.Detail.Object.Key, m.Detail.Object.Size}})
	case m.DetailType != "":
		return nil, fmt.Errorf("%w, but an event of type %q", errNoAnnouncement, m.DetailType)
	case len(m.Records) == 0:
		return nil, errNoAnnouncement
	}
	return m.fromS3()
}

func (m *message) fromTrail() (out []announced, _ error) {
	for _, key := range m.Keys {
		out = append(out, announced{bucket: m.Bucket, key: key})
	}
	return valid(out)
}

func (m *message) fromS3() (out []announced, _ error) {
	for _, r := range m.Records {
		if r.EventSource != "aws:s3" {
			return nil, fmt.Errorf("%w, but a record of %q", errNoAnnouncement, r.EventSource)
		}
		if !strings.HasPrefix(strings.TrimPrefix(r.EventName, "s3:"), "ObjectCreated:") {
			continue // removed, restored, tagged: nothing to read
		}
		key, err := url.QueryUnescape(r.S3.Object.Key)
		if err != nil {
			return nil, fmt.Errorf("the key %q is not URL-encoded: %w", r.S3.Object.Key, err)
		}
		out = append(out, announced{r.S3.Bucket.Name, key, r.S3.Object.Size})
	}
	return valid(out)
}

func valid(objects []announced) ([]announced, error) {
	for _, o := range objects {
		if o.bucket == "" || o.key == "" {
			return nil, fmt.Errorf("%w: bucket %q, key %q", errNoAnnouncement, o.bucket, o.key)
		}
	}
	return objects, nil
}
