// SPDX-FileCopyrightText: 2026 The evenkeel.ops founders
// SPDX-License-Identifier: GPL-3.0-or-later

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** One node of OpenSearch in this process, as its own tests start one: `java -cp 'jars/*' OpenSearchNode.java FOLDER PORT`. */
public class OpenSearchNode extends Node {
    private OpenSearchNode(Settings settings) {
        super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "testbed"), List.of(Netty4Plugin.class), false);
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Settings settings = Settings.builder()
            .put("path.home", folder.toString()).put("path.data", folder.resolve("data").toString())
            .put("cluster.name", "testbed").put("node.name", "testbed").put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1").put("http.port", arguments[1]).put("transport.port", "0")
            .put("http.type", "netty4").put("transport.type", "netty4")
            .put("cluster.routing.allocation.disk.threshold_enabled", false).build();
        new OpenSearchNode(settings).start();
        Thread.currentThread().join();
    }
}
