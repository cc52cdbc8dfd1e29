// Takes objects of the Prometheus operator and of cert-manager, one JSON a line, and says for each what its own types have against it: an empty line if nothing.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	certificates "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var head struct{ Kind string }
		if err := json.Unmarshal(lines.Bytes(), &head); err != nil {
			fmt.Println(err)
			continue
		}
		kinds := map[string]any{"PodMonitor": &monitoring.PodMonitor{}, "ServiceMonitor": &monitoring.ServiceMonitor{},
			"PrometheusRule": &monitoring.PrometheusRule{}, "Certificate": &certificates.Certificate{}, "Issuer": &certificates.Issuer{}}
		into, known := kinds[head.Kind]
		if !known {
			fmt.Println("no such kind:", head.Kind)
			continue
		}
		if err := yaml.UnmarshalStrict(lines.Bytes(), into); err != nil {
			fmt.Println(strings.Join(strings.Fields(err.Error()), " "))
			continue
		}
		fmt.Println()
	}
}
