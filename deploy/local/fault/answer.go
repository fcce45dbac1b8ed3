package fault

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
)

// Answer is an error that the proxy gives in a service's stead, in the form of the protocol that the request speaks.
type Answer struct {
	Status  int
	Code    string // the error type: "ProvisionedThroughputExceededException", "SlowDown"
	Message string // "": some
}

// Error is a rule's Answer with a status and an error type.
func Error(status int, code string) Answer { return Answer{Status: status, Code: code} }

// errorXML has the members of both XML forms: S3's stands alone, that of the query protocol inside of ErrorResponse.
type errorXML struct {
	XMLName   xml.Name `xml:"Error"`
	Type      string   `xml:",omitempty"`
	Code      string
	Message   string
	RequestID string `xml:"RequestId,omitempty"`
}

type queryErrorXML struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Error     errorXML
	RequestID string `xml:"RequestId"`
}

// requestID marks answers of the proxy in logs.
const requestID = "fault"

// encode returns the body and its type.
func (a Answer) encode(p protocol) (body []byte, contentType string, err error) {
	message := a.Message
	if message == "" {
		message = "injected by the fault proxy"
	}
	switch p {
	case protocolJSON:
		body, err = json.Marshal(map[string]string{"__type": a.Code, "message": message})
		return body, "application/x-amz-json-1.1", err
	case protocolQuery:
		fault := "Sender"
		if a.Status >= http.StatusInternalServerError {
			fault = "Receiver"
		}
		body, err = xml.Marshal(queryErrorXML{Error: errorXML{Type: fault, Code: a.Code, Message: message}, RequestID: requestID})
	default:
		body, err = xml.Marshal(errorXML{Code: a.Code, Message: message, RequestID: requestID})
	}
	return append([]byte(xml.Header), body...), "application/xml", err
}

func (a Answer) write(w http.ResponseWriter, p protocol) error {
	body, contentType, err := a.encode(p)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Amzn-Requestid", requestID)
	if p == protocolJSON {
		w.Header().Set("X-Amzn-Errortype", a.Code)
	}
	w.WriteHeader(a.Status)
	_, err = w.Write(body) // nothing of it goes out to a HEAD
	return err
}
